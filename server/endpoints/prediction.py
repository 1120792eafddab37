"""``POST /predict``, ``/predict/batch`` and the same under ``/models/{name}``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from server.admission import MAX_WAITING
from server.counters import BATCH, PREDICT, Counters
from server.endpoints.answer import AnyRequest, respond
from server.endpoints.asking import asked
from server.endpoints.body import Read
from server.generation import Serving
from server.prediction import count, predict, predict_batch, takes_long

THREADS = MAX_WAITING + 2
"""Everybody that the line lets wait, whoever is at work, and one whom it refuses."""


class Predictions:
    """The prediction endpoints of one worker."""

    def __init__(self, serving: Serving, counters: Counters, read: Read) -> None:
        """What takes long is left to threads, so that the event loop goes on."""
        self._serving, self._counters, self._read = serving, counters, read
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="prediction")

    async def answer(self, request: AnyRequest, endpoint: int, name: str | None) -> Response[bytes]:
        """By the plain function of the endpoint."""
        ask = await asked(request, name, self._read)
        answer = predict if endpoint == PREDICT else predict_batch
        if takes_long(self._serving, ask, endpoint):
            loop = asyncio.get_running_loop()
            answered = await loop.run_in_executor(self._threads, answer, self._serving, ask)
        else:
            answered = answer(self._serving, ask)
        count(self._counters, answered)
        return respond(answered.reply)


def prediction_routes(serving: Serving, counters: Counters, read: Read) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""
    predictions = Predictions(serving, counters, read)

    @post("/predict", status_code=200)
    async def champion(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, PREDICT, None)

    @post("/predict/batch", status_code=200)
    async def champion_batch(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, BATCH, None)

    @post("/models/{name:str}/predict", status_code=200)
    async def named(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, PREDICT, request.path_params["name"])

    @post("/models/{name:str}/predict/batch", status_code=200)
    async def named_batch(request: AnyRequest) -> Response[bytes]:
        return await predictions.answer(request, BATCH, request.path_params["name"])

    return [champion, champion_batch, named, named_batch]
