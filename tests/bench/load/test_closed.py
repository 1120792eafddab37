"""The closed loop, against a server that does what a test wants."""

from __future__ import annotations

import time

import pytest

from bench.load import loop
from bench.load.closed import ClosedLoop
from bench.load.spec import Exchange, Load, Timings
from bench.load.tally import MAX_FAILURES
from bench.samples import SHOWN_FAULTS
from tests.bench.load.impostor import EXCHANGE, Impostor, Reply, Script, load, nobody, right

OTHER = Exchange("/predict", b'{"x":2}', b'{"prediction":"no"}')


def run(load: Load) -> Timings:
    with ClosedLoop(load) as loop:
        return loop.run(time.monotonic())


def against(script: Script, connections: int = 1) -> Timings:
    with Impostor(script) as impostor:
        return run(load(impostor.port, connections=connections))


def test_right_answers_are_counted_and_timed() -> None:
    """Every request that was answered in the measured time, on every connection."""
    timings = against(lambda *_: Reply([right()]), connections=4)
    assert (timings.failures, timings.faults, timings.unsent, timings.refused) == (0, [], 0, None)
    assert timings.accepted is not None
    assert set(timings.statuses) == {200}
    assert timings.throughput_rps == pytest.approx(timings.statuses[200] / timings.seconds)
    assert timings.accepted.count == pytest.approx(timings.statuses[200], abs=4)  # one under way on each
    assert 0 < timings.accepted.p50_ms <= timings.accepted.p99_ms <= timings.accepted.max_ms
    assert timings.client_busy > 0
    assert timings.refused_share == 0


@pytest.mark.parametrize(
    "script",
    [
        lambda *_: Reply([right()[:9], right()[9:40], right()[40:]]),
        lambda *_: Reply([right()[place : place + 1] for place in range(len(right()))]),
        lambda number, _: Reply([right(more=f"X-Id: {'x' * (number % 50)}\r\n")]),
        lambda number, _: Reply([right(more=f"X-Id: {number}\r\n").replace(b"-L", b"-l", number % 2)]),
    ],
    ids=["parts", "byte by byte", "heads of any length", "spellings that change"],
)
def test_right_answers_of_every_form(script: Script) -> None:
    """However they arrive, they are right."""
    timings = against(script)
    assert (timings.failures, timings.faults) == (0, [])
    assert timings.accepted is not None


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (Reply([right(b'{"prediction":"no!"}')]), 'expected {"prediction":"yes"}, came {"prediction":"no!"}'),
        (Reply([right(b"")]), 'expected {"prediction":"yes"}, came '),
        (Reply([right(b"{}", "500 Oops")]), "status 500: {}"),
        (Reply([right() + right()]), "bytes more than one answer"),
        (Reply([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]), "the answer is chunked"),
        (Reply([right(more="Connection: close\r\n")[:-1] + b"!"]), "expected"),
        (Reply([right()[:-5]], then_close=True), "the server ended the connection after 54 bytes"),
        (None, "the server ended the connection after 0 bytes"),
        (Reply([], then_reset=True), "receiving failed: Connection reset by peer"),
    ],
)
def test_a_wrong_answer_is_counted_and_told(wrong: Reply | None, fault: str) -> None:
    """One among right ones; the load goes on."""
    timings = against(lambda number, _: wrong if number == 2 else Reply([right()]))
    assert timings.failures == 1
    assert fault in timings.faults[0]
    assert timings.accepted is not None


def test_a_server_that_does_not_keep_connections_is_told() -> None:
    """It says so, and what is measured here is keep-alive."""
    timings = against(lambda *_: Reply([right(more="Connection: close\r\n")], then_close=True))
    assert "ends the connection with its answer" in timings.faults[0]


def test_too_many_failures_end_the_run() -> None:
    """Only the first few are told, all are counted."""
    with Impostor(lambda *_: None) as impostor:
        timings = run(load(impostor.port, seconds=60))
    assert timings.failures == MAX_FAILURES
    assert len(timings.faults) == SHOWN_FAULTS
    assert timings.accepted is None


def test_somebody_elses_answer_is_wrong() -> None:
    """Requests differ, so an answer that went to the wrong one is seen."""
    with Impostor(lambda *_: Reply([right()])) as impostor:
        timings = run(load(impostor.port, (EXCHANGE, OTHER), connections=2))
    assert timings.failures > 0
    assert 'expected {"prediction":"no"}, came {"prediction":"yes"}' in timings.faults


def test_each_connection_asks_everything() -> None:
    """In turns, beginning at different places."""
    answers = {exchange.body: right(exchange.expected) for exchange in (EXCHANGE, OTHER)}
    with Impostor(lambda _, body: Reply([answers[body]])) as impostor:
        timings = run(load(impostor.port, (EXCHANGE, OTHER), connections=2))
        assert set(impostor.bodies[:2]) == set(answers)
    assert (timings.failures, timings.faults) == (0, [])


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
def test_refusals_are_no_failures(more: str) -> None:
    """Status 503 is counted apart and timed apart, also where it ends the connection."""
    busy = Reply([right(b"busy", "503 Service Unavailable", more)], then_close=bool(more))
    timings = against(lambda number, _: Reply([right()]) if number % 2 else busy)
    assert (timings.failures, timings.faults) == (0, [])
    assert timings.accepted is not None
    assert timings.refused is not None
    assert set(timings.statuses) == {200, 503}
    assert timings.refused_share == pytest.approx(0.5, abs=0.1)
    assert timings.throughput_rps == pytest.approx(timings.statuses[200] / timings.seconds)


def test_large_requests_and_answers() -> None:
    """Neither goes through a socket in one piece."""
    large = Exchange("/predict/batch", b"x" * (8 << 20), b"y" * (8 << 20))
    with Impostor(lambda _, body: Reply([right(body.replace(b"x", b"y"))])) as impostor:
        timings = run(load(impostor.port, (large,), connections=2))
    assert (timings.failures, timings.faults) == (0, [])


def test_what_is_late_counts() -> None:
    """A request of the measured time that is answered after it has its latency, and no throughput."""

    def script(*_: object) -> Reply:
        time.sleep(0.5)
        return Reply([right()])

    with Impostor(script) as impostor:
        timings = run(Load(impostor.port, (EXCHANGE,), 1, 0.1, 0.0))
    assert timings.accepted is not None
    assert (timings.accepted.count, timings.accepted.max_ms >= 500) == (1, True)
    assert timings.statuses == {}
    assert timings.failures == 0


def test_silence_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is never answered is waited for, but not for ever."""
    monkeypatch.setattr(loop, "DRAIN_S", 0.05)
    timings = against(lambda *_: Reply([]), connections=3)
    assert timings.failures == 3
    assert timings.faults[0] == "no answer within 0.05 s of the end"
    assert timings.accepted is None


def test_a_server_that_goes_away_ends_the_run() -> None:
    """No connection is left, which is told; and nothing hangs."""
    with (
        Impostor(lambda number, _: Reply([right()]) if number < 9 else None) as impostor,
        ClosedLoop(load(impostor.port, connections=2, seconds=60)) as closed,
    ):
        impostor.leave()
        timings = closed.run(time.monotonic())
    assert timings.failures == 4
    assert any("connecting failed: Connection refused" in fault for fault in timings.faults)


def test_nobody_there() -> None:
    """Told before anything is measured."""
    with pytest.raises(ConnectionRefusedError), ClosedLoop(load(nobody())):
        pass
