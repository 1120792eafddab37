"""The short way for predictions: a synchronous callable (WSGI) in front of the whole Litestar application.

An event loop is woken up several times for each request, and each of these costs more than the model
(``bench/results/compare.md``). So granian calls this in one of its threads: a prediction is answered on the
spot by the plain function of its endpoint, which is the one that the application routes to, too; everything
else is handed on to the application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from time import perf_counter_ns
from typing import Any

from a2wsgi import ASGIMiddleware

from server.counters import Counters
from server.errors import MalformedBody, TooLarge, Unavailable
from server.generation import Serving
from server.prediction import Ask, count, predict, predict_batch
from server.problem import Reply, problem
from server.reading import BodyReader, Environ
from server.requestid import HEADER, request_id
from server.v2 import inference
from server.v2.problem import problem as v2_problem
from server.v2.problem import speaks

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Endpoint = Callable[[Serving, Counters, Ask], Reply]

BUILD_S = 10.0
"""The first requests that are not predictions wait so long for the application, which takes a second."""
OK_STATUS, OK = 200, "200 "
MOST_PATH = 512
"""Characters of a path that is looked up, and kept: model names are shorter."""


class Front:
    """The callable that granian serves. Safe to call from several threads."""

    def __init__(
        self, build: Callable[[], Any], serving: Serving, counters: Counters, bodies: BodyReader
    ) -> None:
        """Begin to build the application, in a thread: predictions need not wait for it.

        Args:
            build: makes the Litestar application. It has no lifespan hooks: nothing would run them.
            serving: at its first generation already.
            counters: this worker's.
            bodies: reads them.
        """
        self._serving, self._counters, self._bodies = serving, counters, bodies
        builder = ThreadPoolExecutor(1, "application")
        self._app: Future[Any] = builder.submit(lambda: ASGIMiddleware(build()))
        builder.shutdown(wait=False)

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        arrived_ns = perf_counter_ns()
        name = request_id(environ.get("HTTP_X_REQUEST_ID"))
        path = environ["PATH_INFO"]
        predicts = environ["REQUEST_METHOD"] == "POST" and len(path) <= MOST_PATH
        route = prediction_route(path) if predicts else None
        try:
            body = self._bodies.read(environ, arrived_ns)
        except (MalformedBody, Unavailable) as error:
            told = v2_problem if speaks(path) else problem
            return _say(start_response, told(error, name), name)
        if route is None:
            return self._hand_on(environ, start_response, name, body)
        endpoint, model = route
        cap = self._bodies.max_body_bytes
        ask = Ask(
            model,
            environ.get("CONTENT_TYPE"),
            environ["QUERY_STRING"],
            body if len(body) <= cap else TooLarge.body(cap),
            environ.get("HTTP_X_REQUEST_TIMEOUT_MS"),
            name,
            arrived_ns,
            perf_counter_ns(),
            environ.get,
        )
        return _say(start_response, endpoint(self._serving, self._counters, ask), name)

    def _hand_on(
        self, environ: Environ, start_response: StartResponse, name: str, body: bytes
    ) -> list[bytes]:
        """To the application, which says itself that a body of one byte too many is too large."""
        try:
            app = self._app.result(BUILD_S)
        except TimeoutError:
            starting = Unavailable("the server is starting; try again")
            told = v2_problem if speaks(environ["PATH_INFO"]) else problem
            return _say(start_response, told(starting, name), name)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["HTTP_X_REQUEST_ID"] = name
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        # The bridge takes sound UTF-8 and ASCII for granted; whatever is not names nothing that exists.
        path: bytes = environ["PATH_INFO"].encode("latin-1")
        environ["PATH_INFO"] = path.decode("utf-8", "replace").encode().decode("latin-1")
        environ["QUERY_STRING"] = environ["QUERY_STRING"].encode("ascii", "replace").decode()
        answer: Iterable[bytes] = app(environ, start_response)
        return [b"".join(answer)]


def _say(start_response: StartResponse, reply: Reply, name: str) -> list[bytes]:
    status = OK if reply.status == OK_STATUS else f"{reply.status} "
    start_response(status, [("Content-Type", reply.media_type), *reply.headers, (HEADER, name)])
    return [reply.body]


def _predict(serving: Serving, counters: Counters, ask: Ask) -> Reply:
    answered = predict(serving, ask)
    count(counters, answered)
    return answered.reply


def _predict_batch(serving: Serving, counters: Counters, ask: Ask) -> Reply:
    answered = predict_batch(serving, ask)
    count(counters, answered)
    return answered.reply


def _infer(serving: Serving, counters: Counters, ask: Ask) -> Reply:
    inferred = inference.infer(serving, ask)
    inference.count(counters, inferred)
    return inferred.reply


@lru_cache(maxsize=1024)
def prediction_route(path: str) -> tuple[Endpoint, str | None] | None:
    """The plain function of a prediction endpoint, and the model's name in the path (WSGI's latin-1)."""
    match path.encode("latin-1").decode("utf-8", "replace").split("/"):
        case ["", "predict"]:
            return _predict, None
        case ["", "predict", "batch"]:
            return _predict_batch, None
        case ["", "models", name, "predict"] if name:
            return _predict, name
        case ["", "models", name, "predict", "batch"] if name:
            return _predict_batch, name
        case ["", "v2", "models", name, "infer"] if name:
            return _infer, name
        case ["", "v2", "models", name, "versions", version, "infer"] if name and version:
            return _infer, f"{name}@{version}"
    return None
