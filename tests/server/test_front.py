"""The synchronous front: which requests it answers itself, what it reads, and what it hands on."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from server.app import create_app
from server.counters import Counters
from server.front import CHUNK_BYTES, Front, prediction_route, read
from server.prediction import predict, predict_batch
from tests.server.application import serve

CAP = 100


class Stream(BytesIO):
    """A body that says how much of it was read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = len(content)

    @property
    def left(self) -> int:
        return self.size - self.tell()


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
    serving = serve()
    return Front(lambda: create_app(serving, counters, "nobody"), serving, counters, CAP)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/predict", (predict, None)),
        ("/predict/batch", (predict_batch, None)),
        ("/models/xgboost/predict", (predict, "xgboost")),
        ("/models/a@2/predict/batch", (predict_batch, "a@2")),
        ("/predict/", None),
        ("/models//predict", None),
        ("/models/a/b/predict", None),
        ("/models/a", None),
        ("/v2/models/a/infer", None),
        ("predict", None),
        ("", None),
    ],
)
def test_predictions_take_the_short_way(path: str, route: object) -> None:
    """Everything else goes to the application."""
    assert prediction_route(path) == route


def test_a_body_is_read_up_to_the_cap(front: Front) -> None:
    """One byte too many is enough to know; the rest is dropped, so that the client can finish sending."""
    assert read(environ("/", b"x" * CAP), CAP) == b"x" * CAP
    request = environ("/", b"x" * (CHUNK_BYTES * 2))
    assert len(read(request, CAP)) == CAP + 1
    assert request["wsgi.input"].left == 0
    status, headers, body = ask(front, environ("/predict", b"x" * (CAP + 1)))
    assert (status, headers["content-type"]) == (413, "application/problem+json")
    assert b"at most 100 bytes" in body


def test_a_body_of_unknown_length_is_read_too(front: Front) -> None:
    """``Transfer-Encoding: chunked`` says nothing of its length; without either header there is no body."""
    chunked = environ("/", b"x" * 50, HTTP_TRANSFER_ENCODING="chunked")
    del chunked["CONTENT_LENGTH"]
    assert read(chunked, CAP) == b"x" * 50
    endless = environ("/", b"x" * 1000, HTTP_TRANSFER_ENCODING="chunked")
    del endless["CONTENT_LENGTH"]
    assert len(read(endless, CAP)) == CAP + 1
    none = environ("/", b"not mine")
    del none["CONTENT_LENGTH"]
    assert read(none, CAP) == b""


def test_a_chunked_body_reaches_the_application_whole(front: Front) -> None:
    """The bridge itself would take it for empty, and an empty reload is not the one that came."""
    request = environ("/config/reload", b"[1]", HTTP_TRANSFER_ENCODING="chunked")
    del request["CONTENT_LENGTH"]
    status, _, body = ask(front, request)
    assert status == 403  # closed without a token; the body is sound as far as it matters
    assert b"MPS_ADMIN_TOKEN" in body


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
