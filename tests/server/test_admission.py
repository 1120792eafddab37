"""The line of heavy requests: turns, deadlines, and what is refused before any work."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns, sleep

import pytest

from server.admission import MAX_WAITING, Line
from server.errors import SettingsError, Unavailable
from server.reading import SPARE_THREADS
from server.settings import resolve

FAR_NS = 60_000_000_000
"""A deadline that no test waits for."""
MS = 1_000_000


def soon(ns: int) -> int:
    """A deadline on the line's clock."""
    return perf_counter_ns() + ns


@contextmanager
def at_work(line: Line, work_ns: int) -> Iterator[threading.Event]:
    """Somebody in another thread who has the turn until the event is set, at the latest at the end."""
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        with line.turn(work_ns, soon(FAR_NS)):
            begun.set()
            done.wait(30)

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(30)
    yield done
    done.set()
    worker.join()


def test_turns_come_one_at_a_time_in_order() -> None:
    """Nobody works beside somebody else, and who came first goes first."""
    line, order, together = Line(), [], []
    busy = threading.Lock()

    def work(name: int) -> None:
        with line.turn(MS, soon(FAR_NS)):
            together.append(not busy.acquire(blocking=False))
            order.append(name)
            sleep(0.002)
            busy.release()

    with at_work(line, MS):
        threads = []
        for name in range(6):
            threads.append(threading.Thread(target=work, args=(name,)))
            threads[-1].start()
            while len(line._places) < name + 2:  # it stands in the line now
                sleep(0.0005)
    for thread in threads:
        thread.join()
    assert order == list(range(6))
    assert not any(together)


def test_what_cannot_be_done_in_time_is_not_begun() -> None:
    """The work ahead counts; the answer says when to come again."""
    line = Line()
    with at_work(line, 10_000 * MS):
        with (
            pytest.raises(Unavailable, match="deadline cannot be kept") as refusal,
            line.turn(MS, soon(100 * MS)),
        ):
            pytest.fail("it began")
        told = re.search(r"(\d+) ms of work come first", str(refusal.value))
        assert told
        assert 5_000 < int(told[1]) <= 10_000
        assert 5 < refusal.value.retry_after_s <= 10
    with line.turn(MS, soon(FAR_NS)):
        pass


def test_a_deadline_that_passes_in_the_line_ends_the_wait() -> None:
    """Whoever is at work takes longer than expected: those behind leave in time, and the line goes on."""
    line = Line()
    with at_work(line, 1):  # says a nanosecond, and takes as long as the test wants
        with pytest.raises(Unavailable, match="longer than expected"), line.turn(MS, soon(30 * MS)):
            pytest.fail("it began")
        assert len(line._places) == 1
    with line.turn(MS, soon(FAR_NS)):
        assert len(line._places) == 1


def test_only_so_many_may_wait() -> None:
    """Each holds a thread and a body."""
    line = Line()
    waiting = [threading.Thread(target=lambda: _pass(line)) for _ in range(MAX_WAITING)]
    with at_work(line, MS):
        for thread in waiting:
            thread.start()
        while len(line._places) <= MAX_WAITING:
            sleep(0.001)
        with (
            pytest.raises(Unavailable, match=f"{MAX_WAITING} large requests are waiting"),
            line.turn(1, soon(FAR_NS)),
        ):
            pytest.fail("it began")
    for thread in waiting:
        thread.join()
    assert not line._places


def _pass(line: Line) -> None:
    with line.turn(MS, soon(FAR_NS)):
        pass


def test_an_error_in_the_work_gives_the_turn_on() -> None:
    """A neighbour's failure holds up nobody."""
    line = Line()
    with pytest.raises(ValueError, match="mine"), line.turn(MS, soon(FAR_NS)):
        raise ValueError("mine")
    _pass(line)


def test_some_threads_are_left_whoever_waits() -> None:
    """The fewest threads that can be set are more than those who wait, work, or send slowly."""
    with pytest.raises(SettingsError):
        resolve({"MPS_THREADS": str(MAX_WAITING + 1 + SPARE_THREADS - 2)}, None, {})
    assert resolve({"MPS_THREADS": "13"}, None, {}).settings.threads > MAX_WAITING + 1


def test_hopeless_deadlines_teach_nothing() -> None:
    """Whatever they ask, the work takes as long as it takes."""
    line = Line()
    for _ in range(100):
        with pytest.raises(Unavailable), line.turn(500 * MS, soon(MS)):
            pytest.fail("it began")
    assert line._pace == 1.0


def test_estimates_follow_the_truth() -> None:
    """Work that takes ten times as long as was measured at load is soon expected to."""
    line = Line()
    for _ in range(20):
        with line.turn(MS // 10, soon(FAR_NS)):
            sleep(0.001)
    with pytest.raises(Unavailable), line.turn(MS, soon(5 * MS)):
        pytest.fail("it began")


def test_an_estimate_that_is_too_high_is_put_right() -> None:
    """An idle worker that refuses everybody would never learn; so it tries in the end."""
    line, refused = Line(), 0
    while refused < 100:
        try:
            with line.turn(1_000 * MS, soon(400 * MS)):
                break
        except Unavailable:
            refused += 1
    assert 0 < refused < 20
