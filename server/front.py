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
from server.errors import TooLarge
from server.generation import Serving
from server.prediction import Answered, Ask, count, predict, predict_batch
from server.requestid import HEADER, request_id

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Endpoint = Callable[[Serving, Ask], Answered]

MAX_DRAINED_BYTES = 64 << 20
"""How much of a body that is refused anyway is read and dropped. A client that is still sending when the
connection closes sees a broken pipe instead of the answer."""
CHUNK_BYTES = 64 << 10


class Front:
    """The callable that granian serves. Safe to call from several threads."""

    def __init__(
        self, build: Callable[[], Any], serving: Serving, counters: Counters, max_body_bytes: int
    ) -> None:
        """Begin to build the application, in a thread: predictions need not wait for it.

        Args:
            build: makes the Litestar application. It has no lifespan hooks: nothing would run them.
            serving: at its first generation already.
            counters: this worker's.
            max_body_bytes: largest body that is answered.
        """
        self._serving, self._counters, self._max_body_bytes = serving, counters, max_body_bytes
        builder = ThreadPoolExecutor(1, "application")
        self._app: Future[Any] = builder.submit(lambda: ASGIMiddleware(build()))
        builder.shutdown(wait=False)

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        arrived_ns = perf_counter_ns()
        name = request_id(environ.get("HTTP_X_REQUEST_ID"))
        body = read(environ, self._max_body_bytes)
        route = prediction_route(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if route is None:
            return self._hand_on(environ, start_response, name, body)
        endpoint, model = route
        fits = len(body) <= self._max_body_bytes
        ask = Ask(
            model,
            environ.get("CONTENT_TYPE"),
            environ["QUERY_STRING"],
            body if fits else TooLarge.body(self._max_body_bytes),
            environ.get("HTTP_X_REQUEST_TIMEOUT_MS"),
            name,
            arrived_ns,
            perf_counter_ns(),
        )
        answered = endpoint(self._serving, ask)
        count(self._counters, answered)
        reply = answered.reply
        headers = [("Content-Type", reply.media_type), *reply.headers, (HEADER, name)]
        start_response(f"{reply.status} ", headers)
        return [reply.body]

    def _hand_on(
        self, environ: Environ, start_response: StartResponse, name: str, body: bytes
    ) -> list[bytes]:
        """To the application, which says itself that a body of one byte too many is too large."""
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["HTTP_X_REQUEST_ID"] = name
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        # The bridge takes sound UTF-8 and ASCII for granted; whatever is not names nothing that exists.
        path: bytes = environ["PATH_INFO"].encode("latin-1")
        environ["PATH_INFO"] = path.decode("utf-8", "replace").encode().decode("latin-1")
        environ["QUERY_STRING"] = environ["QUERY_STRING"].encode("ascii", "replace").decode()
        answer: Iterable[bytes] = self._app.result()(environ, start_response)
        return [b"".join(answer)]


@lru_cache(maxsize=1024)
def prediction_route(path: str) -> tuple[Endpoint, str | None] | None:
    """The plain function of a prediction endpoint, and the model's name in the path."""
    match path.split("/"):
        case ["", "predict"]:
            return predict, None
        case ["", "predict", "batch"]:
            return predict_batch, None
        case ["", "models", name, "predict"] if name:
            return predict, name
        case ["", "models", name, "predict", "batch"] if name:
            return predict_batch, name
    return None


def read(environ: Environ, max_body_bytes: int) -> bytes:
    """The body; of one that is too large, its beginning, with one byte too many. The rest is dropped."""
    declared = environ.get("CONTENT_LENGTH")
    if declared is None and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    stream = environ["wsgi.input"]
    if declared is not None and int(declared) <= max_body_bytes:
        whole: bytes = stream.read()
        return whole
    parts, length = [], 0
    while length < MAX_DRAINED_BYTES and (part := stream.read(CHUNK_BYTES)):
        if length <= max_body_bytes:
            parts.append(part)
        length += len(part)
    return b"".join(parts)[: max_body_bytes + 1]
