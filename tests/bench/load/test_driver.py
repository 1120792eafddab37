"""Load generators in processes of their own."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from bench.errors import LoadFailed
from bench.load import generator
from bench.load.driver import drive, drive_together, interleaved
from bench.load.generator import Generator
from tests.bench.load.impostor import Impostor, Reply, load, nobody, right

CORES = os.sched_getaffinity(0)
Leftovers = Callable[[], list[Any]]


def test_timings_come_home(leftovers: Leftovers) -> None:
    """Of a closed and of an open loop, all of them."""
    with Impostor(lambda *_: Reply([right()])) as impostor:
        closed = drive(load(impostor.port), CORES)
        paced = drive(load(impostor.port, rate_rps=50.0), CORES)
    for timings in (closed, paced):
        assert (timings.failures, timings.faults) == (0, [])
        assert timings.accepted is not None
    assert leftovers() == []


def test_descriptors_may_be_many(leftovers: Leftovers) -> None:
    """More than 1,024 are open already in a long run of the tests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    with ExitStack() as opened, Impostor(lambda *_: Reply([right()])) as impostor:
        for _ in range(1024):
            opened.callback(os.close, os.dup(0))
        assert drive(load(impostor.port), CORES).failures == 0
    assert leftovers() == []


def test_faults_come_home() -> None:
    """What was wrong is told across the process."""
    with Impostor(lambda *_: Reply([right(b"{}", "500 Oops")])) as impostor:
        timings = drive(load(impostor.port), CORES)
    assert timings.failures > 0
    assert timings.faults[0] == "status 500: {}"


def test_several_loads_at_once() -> None:
    """Each has its own timings."""
    with Impostor(lambda *_: Reply([right()])) as impostor:
        fast, slow = drive_together([load(impostor.port), load(impostor.port, rate_rps=20.0)], CORES)
    assert fast.failures == slow.failures == 0
    assert slow.accepted is not None
    assert slow.accepted.count == 4


def test_rounds_take_turns() -> None:
    """A, B, A, B: while one is loaded the other rests."""
    asked: list[str] = []

    def script(name: str) -> Callable[[int, bytes], Reply]:
        def answer(*_: object) -> Reply:
            asked.append(name)
            return Reply([right()])

        return answer

    with Impostor(script("a")) as a, Impostor(script("b")) as b:
        timings = interleaved({"a": load(a.port), "b": load(b.port)}, 3, CORES)
    assert [name for name, _ in itertools.groupby(asked)] == ["a", "b"] * 3
    assert {name: len(runs) for name, runs in timings.items()} == {"a": 3, "b": 3}
    assert all(run.accepted for runs in timings.values() for run in runs)


def test_nobody_there_is_an_error(leftovers: Leftovers) -> None:
    """With the address and the reason."""
    port = nobody()
    with pytest.raises(LoadFailed, match=rf"ended: 127\.0\.0\.1:{port}: Connection refused"):
        drive(load(port), CORES)
    assert leftovers() == []


def test_a_run_that_hangs_is_ended(leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time and no more."""
    with (
        Impostor(lambda *_: Reply([right()])) as impostor,
        Generator(load(impostor.port, seconds=60)) as running,
    ):
        monkeypatch.setattr(generator, "SLACK_S", -69.9)
        running.begin(0.0)
        with pytest.raises(LoadFailed, match=r"did not end within 0\.\d+ s"):
            running.timings()
    assert leftovers() == []


def test_one_that_cannot_start_is_told(leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of it."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LoadFailed, match=r"the load generator ended: \(silent\)"):
        drive(load(nobody()), CORES)
    assert leftovers() == []


def test_one_that_does_not_end_is_killed(leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch) -> None:
    """However deaf it is."""
    monkeypatch.setattr(generator, "END_S", 0.1)
    with Generator(load(nobody())) as deaf:
        os.kill(deaf._process.pid, signal.SIGSTOP)
    assert leftovers() == []


def test_a_generator_that_dies_is_an_error(leftovers: Leftovers) -> None:
    """Before it was told to begin, and while it runs."""
    with (
        Impostor(lambda *_: Reply([right()])) as impostor,
        Generator(load(impostor.port, seconds=60)) as running,
    ):
        running.begin(0.0)
        running._process.kill()
        with pytest.raises(LoadFailed, match=r"ended: \(silent\)"):
            running.timings()
        running._process.wait()
        with pytest.raises(LoadFailed, match=r"ended: "):
            running.begin(0.0)
    assert leftovers() == []


def test_what_makes_no_sense_is_told() -> None:
    """A load that cannot be sent ends before it begins, in one line."""
    with Impostor(lambda *_: Reply([right()])) as impostor, pytest.raises(LoadFailed, match="ended: "):
        drive(load(impostor.port, exchanges=()), CORES)
