"""The open loop, against a server that does what a test wants."""

from __future__ import annotations

import time

import pytest

from bench.load import loop, paced
from bench.load.paced import PacedLoop
from bench.load.spec import Load, Timings
from tests.bench.load.impostor import EXCHANGE, Impostor, Reply, Script, load, right


def run(load: Load) -> Timings:
    with PacedLoop(load) as loop:
        return loop.run(time.monotonic())


def test_as_many_requests_as_the_rate_says() -> None:
    """Neither more nor fewer, however fast the answers come."""
    with Impostor(lambda *_: Reply([right()])) as impostor:
        timings = run(Load(impostor.port, (EXCHANGE,), 4, 0.25, 0.05, 100.0))
        assert len(impostor.bodies) == 30
    assert timings.accepted is not None
    assert (timings.accepted.count, timings.failures, timings.unsent) == (25, 0, 0)


def test_a_stall_is_waited_for_by_everybody_behind_it() -> None:
    """One connection and one late answer: all that were due meanwhile have waited since they were due.

    A loop that counted from sending would show one slow answer of 20, and a fast median.
    """
    stall_s, rate_rps = 0.4, 50.0

    def script(number: int, _: bytes) -> Reply:
        time.sleep(stall_s if number == 1 else 0)
        return Reply([right()])

    with Impostor(script) as impostor:
        timings = run(Load(impostor.port, (EXCHANGE,), 1, stall_s, 0.0, rate_rps))
    assert timings.accepted is not None
    assert (timings.accepted.count, timings.failures, timings.unsent) == (20, 0, 0)
    assert timings.accepted.max_ms >= stall_s * 1000
    middle_due_s = 10 / rate_rps
    assert timings.accepted.p50_ms >= (stall_s - middle_due_s) * 1000


def test_what_could_never_be_sent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers nothing keeps the only connection; the rest was offered, not sent."""
    for module in (loop, paced):
        monkeypatch.setattr(module, "DRAIN_S", 0.05)
    with Impostor(lambda *_: Reply([])) as impostor:
        timings = run(Load(impostor.port, (EXCHANGE,), 1, 0.1, 0.0, 100.0))
    assert (timings.unsent, timings.failures) == (9, 1)


@pytest.mark.parametrize(
    "script",
    [lambda *_: Reply([right()], then_close=True), lambda *_: Reply([right(), right()])],
    ids=["ends the connection", "speaks unasked"],
)
def test_an_idle_connection_is_looked_after(script: Script) -> None:
    """One that breaks between two requests is a failure, and is used again only once."""
    with Impostor(script) as impostor:
        timings = run(load(impostor.port, connections=2, rate_rps=50.0))
        assert len(impostor.bodies) == 11
    assert 0 < timings.failures <= 11


def test_refusals_are_counted_apart() -> None:
    """An overloaded server: goodput and refusals, no failures."""
    with Impostor(
        lambda number, _: Reply([right() if number % 2 else right(b"busy", "503 Busy")])
    ) as impostor:
        timings = run(Load(impostor.port, (EXCHANGE,), 4, 0.2, 0.0, 100.0))
    assert (timings.failures, timings.unsent) == (0, 0)
    assert timings.accepted is not None
    assert timings.refused is not None
    assert timings.accepted.count == timings.refused.count == 10
