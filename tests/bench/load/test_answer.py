"""The head of an answer."""

from __future__ import annotations

import pytest

from bench.load.answer import MAX_HEAD_BYTES, BadAnswer, read_head

HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n"


def test_a_head_says_where_the_answer_ends() -> None:
    """Status, length of both parts, how the length is spelled, and all fields."""
    head = read_head(HEAD + b"{}")
    fields = {b"server": b"x", b"content-length": b"2"}
    assert head == (200, len(HEAD), 2, b"\r\nContent-Length: 2\r\n", False, fields)


@pytest.mark.parametrize("length", range(len(HEAD)))
def test_an_incomplete_head_is_waited_for(length: int) -> None:
    """Wherever it is cut."""
    assert read_head(HEAD[:length]) is None


@pytest.mark.parametrize(
    ("head", "status", "body_bytes", "closes"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length:  7 \r\nConnection: Close", 503, 7, True),
        (b"HTTP/1.1 200\r\nCONTENT-LENGTH:0\r\nConnection: keep-alive", 200, 0, False),
        (b"HTTP/1.1 200 \r\nX-Content-Length: 9\r\nContent-Length: 10", 200, 10, False),
    ],
)
def test_spellings_of_the_same(head: bytes, status: int, body_bytes: int, closes: bool) -> None:
    """Names have no case, values may have space around them, the reason may be missing."""
    found = read_head(head + b"\r\n\r\n")
    assert found is not None
    assert (found.status, found.body_bytes, found.closes) == (status, body_bytes, closes)


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2", "expected an HTTP/1.1 status line"),
        (b"hello", "expected an HTTP/1.1 status line, came b'hello'"),
        (b"HTTP/1.1 200 OK\r\nServer: x", "expected one Content-Length, came b''"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3", "expected one Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2", "expected one Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "the answer is chunked"),
    ],
)
def test_what_cannot_be_measured_is_told(head: bytes, fault: str) -> None:
    """Another protocol, or an answer that does not say beforehand how long it is."""
    with pytest.raises(BadAnswer, match=fault):
        read_head(head + b"\r\n\r\n")


def test_a_head_has_an_end() -> None:
    """One that goes on and on is not waited for."""
    with pytest.raises(BadAnswer, match="no end of the head"):
        read_head(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES)
