"""The queue of copies: what waits, what is skipped, and when there is time for it."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from types import SimpleNamespace

import msgspec
import pytest

import server.shadow
from server.counters import PREDICT, SKIPPED, Counters
from server.plan import draw
from server.seen import Seen
from server.settings import resolve
from server.shadow import SENT_NS, Busy, Copy, Shadows
from tests.server.application import IRIS, Client, serve
from tests.server.shadowing import Watched, seen, shadowed, until_met
from tests.server.stage import until

Connect = Callable[..., Client]
MS = 1_000_000
BODY = msgspec.json.encode(IRIS)
SETOSA = b'{"prediction":"setosa"}'


class Idle(Watched):
    """There is always something to spare, or never; and how often somebody looked."""

    def __init__(self) -> None:
        super().__init__()
        self.spares, self.looks = True, 0

    def look(self) -> None:
        """Look at nothing."""
        self.looks += 1

    def spare(self) -> bool:
        """As the test says."""
        return self.spares

    def until_looked(self) -> None:
        """Wait until the thread has certainly taken whatever it may take by now."""
        looks = self.looks
        until(lambda: self.looks > looks + 1)


@pytest.fixture
def idle(shadows: Shadows) -> Idle:
    """The shadows always have time."""
    shadows._busy = idle = Idle()
    return idle


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 1_000 * MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the module: copies are as old as the test says."""
    clock = Clock()
    monkeypatch.setattr(server.shadow, "perf_counter_ns", clock)
    return clock


def test_what_does_not_fit_the_queue_is_skipped(
    connect: Connect, counters: Counters, shadows: Shadows, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is answered, each shadow's skipped copies are counted, and what waits is met later."""
    monkeypatch.setattr(server.shadow, "MAX_QUEUED", 3)
    idle.spares = False
    serving = shadowed(shadows, shadow="random_forest,xgboost")
    client = connect(serving)
    for _ in range(5):
        assert client.post("/predict", json=IRIS).status_code == 200
    for at in (0, 1):
        assert (seen(serving, counters, at).note(SKIPPED), seen(serving, counters, at).requests) == (2, 0)
    idle.spares = True
    until_met(shadows, 6)
    client.post("/predict", json=IRIS)
    until_met(shadows, 8)
    assert [seen(serving, counters, at).note(SKIPPED) for at in (0, 1)] == [2, 2]


def test_the_queue_holds_only_so_many_bytes(
    connect: Connect, counters: Counters, shadows: Shadows, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large body does not wait for its shadows in memory; what was met makes room for others."""
    monkeypatch.setattr(server.shadow, "MAX_QUEUED_BYTES", 2 * (len(BODY) + len(SETOSA)))
    serving = shadowed(shadows, shadow="xgboost")
    client = connect(serving)
    idle.spares = False
    large = {"instances": [list(IRIS.values())] * 50}
    assert client.post("/predict/batch", json=large).status_code == 200
    assert seen(serving, counters).note(SKIPPED) == 1
    for _ in range(3):
        client.post("/predict", content=BODY)
    assert seen(serving, counters).note(SKIPPED) == 2
    idle.spares = True
    for met in (2, 3, 4, 5):
        until_met(shadows, met)
        client.post("/predict", content=BODY)
    until_met(shadows, 6)
    assert seen(serving, counters).note(SKIPPED) == 2


def test_a_busy_worker_keeps_its_shadows_waiting(
    connect: Connect, counters: Counters, shadows: Shadows, idle: Idle
) -> None:
    """Nothing is met without time to spare; and what a shadow takes is taken off, each time."""
    idle.spares = False
    serving = shadowed(shadows, shadow="random_forest,xgboost")
    client = connect(serving)
    client.post("/predict", json=IRIS)
    idle.until_looked()
    assert seen(serving, counters).requests == 0
    idle.spares = True
    until_met(shadows, 2)
    assert len(idle.took_ns) == 2
    assert 0 < sum(idle.took_ns) <= 2 * sum(seen(serving, counters, at).elapsed_ns(PREDICT) for at in (0, 1))


def test_an_answer_is_sent_before_its_copy_is_met(
    counters: Counters, shadows: Shadows, idle: Idle, clock: Clock
) -> None:
    """A copy that is younger than ``SENT_NS`` is left alone; those behind it wait, too."""
    serving = serve(shadow="xgboost")
    for age in (0, 1):
        copy = Copy(PREDICT, BODY, b'{"prediction":"setosa"}', False, 1, clock.now + age)
        shadows.offer(serving.generation.ghosts, copy)
    for passed, met in ((0, 0), (SENT_NS - 1, 0), (1, 1), (1, 2)):
        clock.now += passed
        idle.until_looked()
        assert seen(serving, counters).requests == met


def test_copies_do_not_keep_models_that_are_no_shadows_any_more(
    connect: Connect, counters: Counters, shadows: Shadows, idle: Idle
) -> None:
    """After a switch a copy waits for those that are shadows still; for the others it was skipped."""
    idle.spares = False
    serving = shadowed(shadows, shadow="xgboost,random_forest")
    client, before = connect(serving), serving.generation
    client.post("/predict", json=IRIS)
    gone, kept = before.ghosts
    model = weakref.ref(gone.model)
    settings = {"MPS_SHADOW": "random_forest", "MPS_MODELS": "heuristic"}
    serving.commit(serving.prepare(draw(resolve(settings, None, {}), 2)))
    assert Seen(counters.sums(gone.series)).note(SKIPPED) == 1
    del before, gone
    idle.spares = True
    until_met(shadows, 1)
    assert Seen(counters.sums(kept.series)).requests == 1
    gc.collect()
    assert model() is None, "a queue or a finished request holds a model that nobody serves"


def test_no_thread_is_no_reason_to_fail(
    counters: Counters, shadows: Shadows, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may refuse one; the copy waits, and the next one tries again."""

    class Refused:
        def __init__(self, **_: object) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    serving = serve(shadow="xgboost")
    copy = Copy(PREDICT, BODY, b'{"prediction":"setosa"}', False, 1, 0)
    with monkeypatch.context() as patched:
        patched.setattr(server.shadow, "threading", SimpleNamespace(Thread=Refused))
        shadows.offer(serving.generation.ghosts, copy)
    shadows.offer(serving.generation.ghosts, copy)
    until_met(shadows, 2)
    assert seen(serving, counters).requests == 2


class Processor(SimpleNamespace):
    """The clocks by which ``Busy`` goes."""

    wall_ns = 5 * MS
    process_ns = 700 * MS

    def passes(self, wall_ms: float, process_ms: float) -> None:
        """Time."""
        self.wall_ns += int(wall_ms * MS)
        self.process_ns += int(process_ms * MS)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    """Its clocks are those of the module."""
    processor = Processor()
    monkeypatch.setattr(server.shadow, "perf_counter_ns", lambda: processor.wall_ns)
    clocks = SimpleNamespace(process_time_ns=lambda: processor.process_ns, sleep=time.sleep)
    monkeypatch.setattr(server.shadow, "time", clocks)
    return processor


def test_nothing_is_to_spare_before_it_is_known(processor: Processor) -> None:
    """Neither before the first look nor when no time has passed."""
    busy = Busy()
    assert not busy.spare()
    busy.look()
    assert not busy.spare()


@pytest.mark.parametrize(
    ("others_ms", "spare"), [(0, True), (49, True), (50, False), (99, False), (400, False)]
)
def test_half_a_processor_is_the_requests_own(processor: Processor, others_ms: int, spare: bool) -> None:
    """A worker that took that for its requests, or more, on however many cores, spares nothing."""
    busy = Busy()
    processor.passes(100, others_ms)
    busy.look()
    assert busy.spare() is spare


def test_shadows_use_up_what_is_to_spare(processor: Processor) -> None:
    """What they took is taken off until the next look, and what was left over is not saved up."""
    busy = Busy()
    processor.passes(100, 20)
    busy.look()
    busy.worked(30 * MS - 1)
    assert busy.spare()
    busy.worked(1)
    assert not busy.spare()
    for _ in range(2):
        processor.passes(100, 30)
        busy.look()
    busy.worked(20 * MS)
    assert not busy.spare()


def test_what_shadows_took_is_not_held_against_the_requests(processor: Processor) -> None:
    """A shadow at work makes a worker no busier than it is; only since the last look."""
    busy = Busy()
    processor.passes(100, 0)
    busy.look()
    busy.worked(45 * MS)
    processor.passes(100, 45 + 40)
    busy.look()
    assert busy.spare()
    busy.worked(10 * MS)
    assert not busy.spare()
    processor.passes(100, 10 + 60)
    busy.look()
    assert not busy.spare()
    processor.passes(100, 60)
    busy.look()
    assert not busy.spare()
