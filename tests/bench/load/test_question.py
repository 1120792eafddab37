"""How an answer is recognised without reading its head in full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.answer import BadAnswer, read_head
from bench.load.question import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Question
from bench.load.spec import Exchange
from tests.bench.load.impostor import EXCHANGE, right

HEADER = st.tuples(st.sampled_from(("Date", "X-Id", "Server")), st.text("abc 123:-", max_size=40))


def taught() -> Question:
    question = Question(EXCHANGE, "127.0.0.1", 80)
    head = read_head(right())
    assert head is not None
    question.learn(head)
    return question


def test_the_request_is_complete() -> None:
    """Path, host, type, length and body."""
    request = Question(EXCHANGE, "127.0.0.1", 8000).request
    assert request == (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
        b'Content-Length: 7\r\n\r\n{"x":1}'
    )


def test_nothing_is_taken_for_granted_at_first() -> None:
    """The first answer is read in full, and tells how this server spells its heads."""
    assert not Question(EXCHANGE, "127.0.0.1", 80).is_answered_by(right())
    assert taught().is_answered_by(right())


@given(st.lists(HEADER))
def test_heads_may_differ(headers: list[tuple[str, str]]) -> None:
    """Dates and ids of any length are no reason to look closer."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    assert taught().is_answered_by(right(more=more))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        right()[:-1],
        right() + b"x",
        right() + right(),
        right(status="500 Oops"),
        right(status="2000 Odd"),
        right(b'{"prediction":"no!"}'),
        right().replace(b"Length: 20", b"Length: 21"),
        right().replace(b"Content-Length: 20", b"X-Content-Length: 20"),
        right().replace(b"Content-Length: 20\r\n", b""),
        right(more="X: y\r\n\r\nContent-Length: 20\r\n"),
        right()[1:],
    ],
)
def test_what_is_not_exactly_the_answer_is_looked_at(data: bytes) -> None:
    """Cut, too long, another status, another body, another length."""
    assert not taught().is_answered_by(data)


@given(st.data())
def test_no_damage_is_overlooked(data: st.DataObject) -> None:
    """Whatever is recognised is right by the long way too, however an answer was bent."""
    answer = bytearray(right(more="Date: Sun\r\n"))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(answer) - 1))
        bent = data.draw(st.sampled_from((b"", b"\r\n", b"\r\n\r\n", b"0", b"Content-Length: 20\r\n")))
        answer[place : place + data.draw(st.integers(0, 3))] = bent
    if taught().is_answered_by(bytes(answer)):
        head = _long_way(bytes(answer))
        assert head == (200, len(EXCHANGE.expected))
        assert answer.endswith(b"\r\n\r\n" + EXCHANGE.expected)


def _long_way(answer: bytes) -> tuple[int, int] | None:
    try:
        head = read_head(answer)
    except BadAnswer as error:
        # A second, different Content-Length beside the right one: the end of the answer is the same.
        assert "expected one Content-Length" in str(error)  # noqa: PT017
        return 200, len(EXCHANGE.expected)
    return (head.status, head.body_bytes) if head else None


@pytest.mark.parametrize(
    ("size_bytes", "chunk_bytes"), [(20, MIN_CHUNK_BYTES), (10_000, 12_048), (1 << 20, MAX_CHUNK_BYTES)]
)
def test_an_answer_fits_into_what_is_received_at_once(size_bytes: int, chunk_bytes: int) -> None:
    """As long as it is of a usual size."""
    assert Question(Exchange("/", b"", b"x" * size_bytes), "", 80).chunk_bytes == chunk_bytes
