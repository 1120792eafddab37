"""A thousand reloads leave no trace: memory, open files, threads and latency are what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import psutil
import pytest

from bench.process import ServerProcess
from tests.end_to_end.test_serving import EXAMPLE, JSON, workers_of
from tests.end_to_end.test_switching import reload

pytestmark = pytest.mark.usefixtures("untraced")
CHAMPION = "xgboost"
SWITCHED = ("heuristic", "decision_tree")
"""The small ones: what is to be seen is whether something stays, and each of them is loaded 500 times."""
RELOADS, WARM_UP = 1000, 100
"""After so many reloads the allocator has what it needs."""
MOST_MB = 6.0
"""Growth of a worker that is chance: what is free between pieces in use comes and goes."""
MOST_THREADS = 16
"""The server makes them when they are first needed, and keeps them."""
ROUNDS, A_ROUND = 40, 25
LEAK = """
import server.generation
kept = []
commit = server.generation.Serving.commit
generation = server.generation.Serving.generation.fget
def leaky(self, generation):
    kept.append((generation, open("/dev/null"), bytearray(20_000)))
    commit(self, generation)
def slow(self):
    sum(range(200 * len(kept)))
    return generation(self)
server.generation.Serving.commit = leaky
server.generation.Serving.generation = property(slow)
"""
"""For Python to run at the start of every process: each generation stays, and a file with it; whoever wants
the one that serves walks through all of them."""


class Wear(NamedTuple):
    """What the reloads left behind, of the worker with the most of it."""

    memory_mb: float
    files: int
    threads: int
    slower: float
    """Median latency to that of a server that has just started, asked in the same moments."""


class State(NamedTuple):
    """Of all workers."""

    memory_mb: list[float]
    files: list[int]
    threads: list[int]


def state(server: ServerProcess) -> State:
    """As it is now, and after the same requests each time."""
    latencies_s([server])
    processes = [psutil.Process(pid) for pid in sorted(workers_of(server))]
    return State(
        [process.memory_info().rss / 1e6 for process in processes],
        [process.num_fds() for process in processes],
        [process.num_threads() for process in processes],
    )


def latencies_s(servers: Sequence[ServerProcess]) -> list[float]:
    """Median of each. They are asked in turns: what disturbs the machine for a while disturbs all of them."""
    connections = [server.connect() for server in servers]
    times: list[list[float]] = [[] for _ in servers]
    for _, (connection, own) in product(range(ROUNDS), zip(connections, times, strict=True)):
        for _ in range(A_ROUND):
            start = perf_counter()
            connection.request("POST", "/predict", EXAMPLE, JSON)
            assert connection.getresponse().read() == b'{"prediction":"setosa"}'
            own.append(perf_counter() - start)
    for connection in connections:
        connection.close()
    return list(map(median, times))


def wear(server: ServerProcess, reloads: int, warm_up: int) -> Wear:
    """Reload so often, each time with a model that was not there before."""

    def switch(times: int) -> None:
        for number in range(times):
            assert reload(server, {"models": SWITCHED[number % 2]})[0] == 200

    switch(warm_up)
    before = state(server)
    switch(reloads)
    after = state(server)
    with ServerProcess(workers=2, model_type=CHAMPION, models=CHAMPION) as fresh:
        used_s, fresh_s = latencies_s([server, fresh])
    return Wear(
        max(map(float.__sub__, after.memory_mb, before.memory_mb)),
        max(map(int.__sub__, after.files, before.files)),
        max(map(int.__sub__, after.threads, before.threads)),
        used_s / fresh_s,
    )


def worn(found: Wear) -> list[str]:
    """What is not as it was."""
    limits = Wear(memory_mb=MOST_MB, files=2, threads=MOST_THREADS, slower=2.0)
    pairs = zip(Wear._fields, found, limits, strict=True)
    return [f"{name}: {value:g} (limit {limit:g})" for name, value, limit in pairs if value > limit]


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """A server in which something holds on to every generation."""
    (tmp_path / "sitecustomize.py").write_text(LEAK)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split()])
    )
    with ServerProcess(workers=2, model_type=CHAMPION, models=CHAMPION) as server:
        yield server


def test_a_thousand_reloads_leave_no_trace() -> None:
    """Every one of them loads models and lets others go, on all workers."""
    with ServerProcess(workers=2, model_type=CHAMPION, models=CHAMPION) as server:
        found = wear(server, RELOADS, WARM_UP)
        assert worn(found) == []


def test_a_leak_would_be_seen(leaky: ServerProcess) -> None:
    """The same test with a fault planted, and a tenth of the reloads."""
    found = wear(leaky, RELOADS // 10, WARM_UP // 10)
    assert [line.partition(":")[0] for line in worn(found)] == ["memory_mb", "files", "slower"]
