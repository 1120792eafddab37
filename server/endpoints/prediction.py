"""``POST /predict``, ``/predict/batch`` and the same under ``/models/{name}``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from server.counters import Counters
from server.endpoints.answer import AnyRequest, respond
from server.endpoints.body import Read
from server.errors import Unavailable
from server.generation import Serving
from server.prediction import Answered, Ask, count, predict, predict_batch

INLINE_BATCH_BYTES = 8192
"""A larger batch is answered in a thread, so that the single rows behind it do not wait for it."""
MAX_WAITING_BATCHES = 16
"""Large batches that one worker lets wait; beyond that it is overloaded and says so."""


class Predictions:
    """The prediction endpoints of one worker."""

    def __init__(self, serving: Serving, counters: Counters, read: Read) -> None:
        """Large batches get one thread, and take turns in it."""
        self._serving, self._counters, self._read = serving, counters, read
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._waiting = 0

    async def answer(self, request: AnyRequest, name: str | None) -> Response[bytes]:
        """One row."""
        return self._finish(predict(self._serving, await self._ask(request, name)))

    async def answer_batch(self, request: AnyRequest, name: str | None) -> Response[bytes]:
        """Many rows."""
        ask = await self._ask(request, name)
        if not isinstance(ask.body, bytes) or len(ask.body) <= INLINE_BATCH_BYTES:
            return self._finish(predict_batch(self._serving, ask))
        if self._waiting >= MAX_WAITING_BATCHES:
            busy = Unavailable(f"{self._waiting} large batches are waiting already; try again")
            return self._finish(predict_batch(self._serving, ask._replace(body=busy)))
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            answered = await loop.run_in_executor(self._thread, predict_batch, self._serving, ask)
        finally:
            self._waiting -= 1
        return self._finish(answered)

    def _finish(self, answered: Answered) -> Response[bytes]:
        count(self._counters, answered)
        return respond(answered.reply)

    async def _ask(self, request: AnyRequest, name: str | None) -> Ask:
        query: bytes = request.scope["query_string"]
        body = await self._read(request)
        declared = request.headers.get("content-type")
        return Ask(name, declared, query.decode("latin-1"), body, perf_counter_ns())


def prediction_routes(serving: Serving, counters: Counters, read: Read) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""
    predictions = Predictions(serving, counters, read)

    @post("/predict", status_code=200)
    async def champion(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, None)

    @post("/predict/batch", status_code=200)
    async def champion_batch(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer_batch(request, None)

    @post("/models/{name:str}/predict", status_code=200)
    async def named(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, request.path_params["name"])

    @post("/models/{name:str}/predict/batch", status_code=200)
    async def named_batch(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer_batch(request, request.path_params["name"])

    return [champion, champion_batch, named, named_batch]
