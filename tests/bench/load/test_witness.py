"""Connections that write down what they are answered, against a server that does what a test wants."""

from __future__ import annotations

import time

import pytest

from bench.load.paced import PacedLoop
from bench.load.spec import Load, Timings
from tests.bench.load.impostor import EXCHANGE, Impostor, Reply, Script, right

HEADERS = "x-model-GENERATION: 7\r\nX-Model-Name: a\r\n"


def seen(script: Script, fresh: int = 0) -> tuple[Timings, Impostor]:
    """A fifth of a second after a twentieth, 100 requests a second on three connections."""
    with Impostor(script) as impostor:
        load = Load(impostor.port, (EXCHANGE,), 3, 0.2, 0.05, 100.0, fresh=fresh, witnessed=True)
        with PacedLoop(load) as loop:
            return loop.run(time.monotonic()), impostor


def test_every_answer_comes_home_as_it_came() -> None:
    """Right or wrong, of the warm-up too, with its times; a wrong one is no failure here."""

    def script(number: int, _: bytes) -> Reply:
        return Reply([right(b"one", more=HEADERS) if number % 2 else right(b"two", "500 Oops")])

    timings, impostor = seen(script)
    assert (timings.failures, timings.unsent) == (0, 0)
    assert len(timings.answers) == len(impostor.bodies) == 25
    told = {(answer.status, answer.generation, answer.model, answer.body) for answer in timings.answers}
    assert told == {(200, "7", "a", "one"), (500, "", "", "two")}
    assert all(answer.due_s <= answer.started_s <= answer.came_s for answer in timings.answers)
    assert sum(answer.due_s >= timings.begin_s for answer in timings.answers) == 20
    assert not any(answer.fresh for answer in timings.answers)
    assert impostor.connections == 3


def test_fresh_connections_are_opened_for_each_request() -> None:
    """The others are kept."""
    timings, impostor = seen(lambda *_: Reply([right()]), fresh=1)
    assert (timings.failures, len(timings.answers)) == (0, 25)
    fresh = sum(answer.fresh for answer in timings.answers)
    assert 0 < fresh < 25
    assert impostor.connections == 3 + fresh


@pytest.mark.parametrize(
    ("script", "answered"),
    [
        (lambda *_: Reply([right(more="Connection: close\r\n")]), True),
        (lambda *_: Reply([right()[:-1]], then_reset=True), False),
        (lambda *_: None, False),
    ],
    ids=["says that it ends", "reset in an answer", "ended without an answer"],
)
def test_a_connection_that_breaks_is_a_failure(script: Script, answered: bool) -> None:
    """Also when its last answer is in order."""
    timings, impostor = seen(script, fresh=2)
    assert timings.failures == len(impostor.bodies) == 25
    assert len(timings.answers) == (25 if answered else 0)
