"""The bare callables, called by hand."""

from __future__ import annotations

import asyncio
import io
import json
from types import SimpleNamespace

import pytest

from bench.targets.callables import CONSTANT, Worker, constant_rsgi, constant_wsgi, rsgi, wsgi
from bench.targets.flowers import read_flowers
from bench.targets.shelf import Shelf
from bench.targets.target import BATCH_PATH, SINGLE_PATH

Headers = list[tuple[str, str]]


class Protocol:
    """What granian hands to an RSGI callable."""

    def __init__(self, body: bytes) -> None:
        self._body, self.answer = body, b""

    async def __call__(self) -> bytes:
        return self._body

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        assert (status, dict(headers)) == (200, {"content-type": "application/json"})
        self.answer = body


def requests(labels: tuple[str, ...]) -> list[tuple[str, bytes, object]]:
    """Path, body and right answer, of the last row and of all."""
    features, rows, _ = read_flowers()
    one = json.dumps(dict(zip(features, rows[-1], strict=True))).encode()
    many = json.dumps({"instances": rows}).encode()
    return [
        (SINGLE_PATH, one, {"prediction": labels[-1]}),
        (BATCH_PATH, many, {"predictions": list(labels)}),
    ]


def test_both_interfaces_give_the_trainers_labels(shelf: Shelf) -> None:
    """One row, and many."""
    worker = Worker(shelf.entry)
    for path, body, right in requests(shelf.labels):
        protocol = Protocol(body)
        asyncio.run(_awaited(rsgi(worker)(SimpleNamespace(path=path), protocol)))
        assert json.loads(protocol.answer) == right
        [answer] = wsgi(worker)({"PATH_INFO": path, "wsgi.input": io.BytesIO(body)}, started)
        assert json.loads(answer) == right


@pytest.mark.parametrize("body", [b"{}", b"nonsense"])
def test_a_constant_needs_no_question(body: bytes) -> None:
    """The least that granian can be asked for."""
    protocol = Protocol(body)
    asyncio.run(_awaited(constant_rsgi()(None, protocol)))
    assert [protocol.answer] == constant_wsgi()({}, started) == [CONSTANT]


def started(status: str, headers: Headers) -> None:
    """As WSGI has it."""
    assert (status, dict(headers)) == ("200 OK", {"content-type": "application/json"})


async def _awaited(answering: object) -> None:
    await answering  # type: ignore[misc]
