"""The synchronous front: which requests it answers itself, what it reads, and what it hands on."""

from __future__ import annotations

import threading
from io import BytesIO
from time import sleep
from typing import Any

import msgspec
import pytest

from server.app import create_app
from server.counters import Counters
from server.front import MOST_PATH, Front, prediction_route
from server.reading import CHUNK_BYTES, SPARE_THREADS, BodyReader
from tests.server.application import IRIS, TOKEN, serve

CAP = 100
EXAMPLE = msgspec.json.encode(IRIS)


class Stream(BytesIO):
    """A body that says how much of it was read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = len(content)

    @property
    def left(self) -> int:
        return self.size - self.tell()


NOW_NS = 0


def environ(path: str, body: bytes = b"", method: str = "POST", **more: Any) -> dict[str, Any]:
    """As granian makes it."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "wsgi.url_scheme": "http",
        "wsgi.input": Stream(body),
        "CONTENT_LENGTH": str(len(body)),
        **more,
    }


def ask(front: Front, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """One request, and its answer's status, headers and body."""
    heard: list[Any] = []
    body = front(request, lambda status, headers, *_: heard.extend((status, headers)))
    return int(heard[0].split(" ", 1)[0]), {name.lower(): value for name, value in heard[1]}, b"".join(body)


@pytest.fixture
def front(counters: Counters) -> Front:
    """Over the shipped registry."""
    serving = serve(admin_token=TOKEN)
    return Front(lambda: create_app(serving, counters, "nobody"), serving, counters, BodyReader(CAP, 16))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/predict", ("_predict", None)),
        ("/predict/batch", ("_predict_batch", None)),
        ("/models/xgboost/predict", ("_predict", "xgboost")),
        ("/models/a@2/predict/batch", ("_predict_batch", "a@2")),
        ("/predict/", None),
        ("/models//predict", None),
        ("/models/a/b/predict", None),
        ("/models/a", None),
        ("/v2/models/a/infer", ("_infer", "a")),
        ("/v2/models/a/versions/2/infer", ("_infer", "a@2")),
        ("/v2/models/a/versions//infer", None),
        ("predict", None),
        ("", None),
    ],
)
def test_predictions_take_the_short_way(path: str, route: object) -> None:
    """Everything else goes to the application."""
    found = prediction_route(path)
    assert (found and (found[0].__name__, found[1])) == route


def test_a_body_is_read_up_to_the_cap(front: Front) -> None:
    """One byte too many is enough to know; the rest is dropped, so that the client can finish sending."""
    assert BodyReader(CAP, 16).read(environ("/", b"x" * CAP), NOW_NS) == b"x" * CAP
    request = environ("/", b"x" * (CHUNK_BYTES * 2))
    assert len(BodyReader(CAP, 16).read(request, NOW_NS)) == CAP + 1
    assert request["wsgi.input"].left == 0
    status, headers, body = ask(front, environ("/predict", b"x" * (CAP + 1)))
    assert (status, headers["content-type"]) == (413, "application/problem+json")
    assert b"at most 100 bytes" in body


def test_a_body_of_unknown_length_is_read_too(front: Front) -> None:
    """``Transfer-Encoding: chunked`` says nothing of its length; without either header there is no body."""
    chunked = environ("/", b"x" * 50, HTTP_TRANSFER_ENCODING="chunked")
    del chunked["CONTENT_LENGTH"]
    assert BodyReader(CAP, 16).read(chunked, NOW_NS) == b"x" * 50
    endless = environ("/", b"x" * 1000, HTTP_TRANSFER_ENCODING="chunked")
    del endless["CONTENT_LENGTH"]
    assert len(BodyReader(CAP, 16).read(endless, NOW_NS)) == CAP + 1
    none = environ("/", b"not mine")
    del none["CONTENT_LENGTH"]
    assert BodyReader(CAP, 16).read(none, NOW_NS) == b""


def test_a_chunked_body_reaches_the_application_whole(front: Front) -> None:
    """The bridge itself would take it for empty, and an empty reload is not the one that came."""
    token = f"Bearer {TOKEN}"
    request = environ("/config/reload", b"[1]", HTTP_TRANSFER_ENCODING="chunked", HTTP_AUTHORIZATION=token)
    request["CONTENT_TYPE"] = "application/json"
    del request["CONTENT_LENGTH"]
    status, _, body = ask(front, request)
    assert status == 422
    assert b"expected an object of settings" in body


@pytest.mark.parametrize("path", ["/config/reload", "/predict"])
@pytest.mark.parametrize("came", [b"", b"{"])
def test_a_body_that_was_cut_off_is_none(front: Front, path: str, came: bytes) -> None:
    """The client hung up while it was sending: what came is not what it meant."""
    cut = environ(path, came, CONTENT_LENGTH="24", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    status, _, body = ask(front, cut)
    assert status == 400
    assert b"before it was complete" in body
    chunked = environ(path, b"", HTTP_TRANSFER_ENCODING="chunked", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    del chunked["CONTENT_LENGTH"]
    assert ask(front, chunked)[0] == 400


def test_http_2_needs_no_length(front: Front) -> None:
    """Neither it nor a transfer encoding."""
    request = environ("/predict", EXAMPLE, SERVER_PROTOCOL="HTTP/2")
    del request["CONTENT_LENGTH"]
    assert ask(front, request)[::2] == (200, b'{"prediction":"setosa"}')


def test_what_is_slow_to_come_leaves_threads_to_others(front: Front) -> None:
    """As many slow senders as threads but the spare ones: the next body is refused, health is answered."""
    hold, threads = threading.Event(), []

    class Slow(Stream):
        def read(self, size: int | None = None) -> bytes:
            hold.wait(30)
            return super().read(size)

    for _ in range(16 - SPARE_THREADS):
        request = environ("/predict", EXAMPLE)
        request["wsgi.input"] = Slow(EXAMPLE)
        threads.append(threading.Thread(target=ask, args=(front, request)))
        threads[-1].start()
    quick = environ("/predict", EXAMPLE)
    while ask(front, dict(quick, **{"wsgi.input": Stream(EXAMPLE)}))[0] == 200:
        sleep(0.02)  # they are not slow yet
    status, headers, body = ask(front, quick)
    assert (status, headers["retry-after"]) == (503, "1")
    assert b"sending slowly" in body
    assert ask(front, environ("/health", method="GET", CONTENT_LENGTH=None))[0] == 200
    hold.set()
    for thread in threads:
        thread.join()
    assert ask(front, environ("/predict", EXAMPLE))[0] == 200


def test_nobody_waits_long_for_the_application(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is built, predictions are answered; everything else is told to come again in the end."""
    monkeypatch.setattr("server.front.BUILD_S", 0.05)
    built = threading.Event()

    def build() -> Any:
        built.wait(30)
        return create_app(serving, counters, "nobody")

    serving = serve()
    front = Front(build, serving, counters, BodyReader(CAP, 16))
    assert ask(front, environ("/predict", EXAMPLE))[0] == 200
    assert ask(front, environ("/health", method="GET"))[0] == 503
    built.set()
    front._app.result()
    assert ask(front, environ("/health", method="GET"))[0] == 200


def test_long_paths_are_not_kept(front: Front) -> None:
    """Anybody may send them; they are answered all the same."""
    kept = prediction_route.cache_info().currsize
    for number in range(3):
        path = f"/models/{number}{'x' * MOST_PATH}/predict"
        assert ask(front, environ(path, b"{}"))[0] == 404
    assert prediction_route.cache_info().currsize == kept


@pytest.mark.parametrize("path", ["/\xff", "/models/\xff\xfe", "/\x00", "/predict\xff"])
@pytest.mark.parametrize("query", ["", "a=\xff"])
def test_what_is_no_text_is_not_found(front: Front, path: str, query: str) -> None:
    """Bytes that are no UTF-8 name nothing that exists; they do no harm."""
    status, headers, _ = ask(front, environ(path, method="GET", QUERY_STRING=query))
    assert status in (404, 405)
    assert headers["x-request-id"]


def test_the_application_needs_no_lifespan(counters: Counters) -> None:
    """Nobody would run its hooks behind the front."""
    app = create_app(serve(), counters, "nobody")
    assert [*app.on_startup, *app.on_shutdown, *app._lifespan_managers] == []
