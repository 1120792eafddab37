"""``POST /predict``, ``/predict/batch`` and the same under ``/models/{name}``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from server.counters import Counters
from server.endpoints.answer import AnyRequest, respond
from server.endpoints.body import Read
from server.generation import Serving
from server.prediction import Answered, Ask, count, predict, predict_batch

INLINE_BATCH_BYTES = 8192
"""A larger batch is answered in a thread, so that the single rows behind it do not wait for it."""


def prediction_routes(serving: Serving, counters: Counters, read: Read) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""
    one_batch_at_a_time = ThreadPoolExecutor(1, thread_name_prefix="batch")

    def finish(answered: Answered) -> Response[bytes]:
        count(counters, answered)
        return respond(answered.reply)

    async def answer(request: AnyRequest, name: str | None) -> Response[bytes]:
        return finish(predict(serving, _ask(request, await read(request), name)))

    async def answer_batch(request: AnyRequest, name: str | None) -> Response[bytes]:
        ask = _ask(request, await read(request), name)
        if len(ask.body) <= INLINE_BATCH_BYTES:
            return finish(predict_batch(serving, ask))
        loop = asyncio.get_running_loop()
        return finish(await loop.run_in_executor(one_batch_at_a_time, predict_batch, serving, ask))

    @post("/predict", status_code=200)
    async def champion(request: AnyRequest) -> Response[bytes]:
        return await answer(request, None)

    @post("/predict/batch", status_code=200)
    async def champion_batch(request: AnyRequest) -> Response[bytes]:
        return await answer_batch(request, None)

    @post("/models/{name:str}/predict", status_code=200)
    async def named(request: AnyRequest) -> Response[bytes]:
        return await answer(request, request.path_params["name"])

    @post("/models/{name:str}/predict/batch", status_code=200)
    async def named_batch(request: AnyRequest) -> Response[bytes]:
        return await answer_batch(request, request.path_params["name"])

    return [champion, champion_batch, named, named_batch]


def _ask(request: AnyRequest, body: bytes, name: str | None) -> Ask:
    query: bytes = request.scope["query_string"]
    return Ask(name, request.headers.get("content-type"), query.decode("latin-1"), body)
