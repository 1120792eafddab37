"""Shadow models: they answer copies of requests that are answered, and are compared with what was said.

A copy waits in a short queue. One thread of each worker looks there every few milliseconds, so that a request
wakes up nobody, and works only in what the worker's own requests leave of a processor.
"""

from __future__ import annotations

import logging
import operator
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter_ns
from typing import NamedTuple

import msgspec

from server.counters import DISAGREED, PREDICT, SKIPPED, Counters
from server.model import Model

log = logging.getLogger("mps")

POLL_S = 0.005
SENT_NS = 1_000_000
"""A copy is left alone so long: the answer that it is a copy of is sent first."""
MAX_QUEUED = 256
MAX_QUEUED_BYTES = 8 << 20
SPARE = 0.5
"""Share of a processor up to which a worker has capacity to spare."""
NUMBER_TOLERANCE = 0.01
"""Of a regression: answers further apart than this share of the larger one disagree."""


class Copy(NamedTuple):
    """A request that was answered with status 200."""

    endpoint: int
    body: bytes
    answer: bytes
    probabilities: bool
    max_rows: int
    offered_ns: int

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.body) + len(self.answer)


class Ghost(NamedTuple):
    """A shadow model as a generation has it."""

    model: Model
    series: int

    def answer(self, copy: Copy) -> tuple[bytes, int]:
        """What it says to the same request, and of how many rows."""
        model = self.model
        if copy.endpoint == PREDICT:
            return model.answer(model.schema.one(copy.body), copy.probabilities), 1
        slices, rows = model.batch.read(copy.body, copy.max_rows, model.cost.slice_rows)
        return model.answer_batch(slices, copy.probabilities), rows


class Shadows:
    """The queue and the thread of one worker, of all generations."""

    def __init__(self, counters: Counters) -> None:
        """The thread starts with the first copy."""
        self._counters = counters
        self._lock = threading.Lock()
        self._queue: deque[tuple[Sequence[Ghost], Copy]] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._told: set[str] = set()
        self._busy = Busy()

    def offer(self, ghosts: Sequence[Ghost], copy: Copy) -> None:
        """Leave a copy for later; where there is no room, it is counted as skipped. Waits for nobody."""
        size = copy.size
        with self._lock:  # held for no longer than this, and by a thread that has the interpreter
            room = len(self._queue) < MAX_QUEUED and self._bytes + size <= MAX_QUEUED_BYTES
            if room:
                self._queue.append((ghosts, copy))
                self._bytes += size
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="shadows", daemon=True)
                with suppress(RuntimeError):  # the system has no thread to give: the next copy asks again
                    thread.start()
                    self._thread = thread
        if not room:
            for ghost in ghosts:
                self._counters.note(ghost.series, SKIPPED)

    def _run(self) -> None:
        while True:
            time.sleep(POLL_S)
            self._busy.look()
            while self._busy.spare() and (found := self._take()):
                for ghost in found[0]:
                    self._busy.worked(self._meet(ghost, found[1]))

    def _take(self) -> tuple[Sequence[Ghost], Copy] | None:
        with self._lock:
            if not self._queue or perf_counter_ns() - self._queue[0][1].offered_ns < SENT_NS:
                return None
            found = self._queue.popleft()
            self._bytes -= found[1].size
            return found

    def keep(self, ghosts: Sequence[Ghost]) -> None:
        """After a switch: drop the copies for models that are no shadows any more, so that they can go."""
        kept = {id(ghost.model) for ghost in ghosts}
        with self._lock:
            queue, self._queue, self._bytes = self._queue, deque(), 0
            for meant, copy in queue:
                still = [ghost for ghost in meant if id(ghost.model) in kept]
                if still:
                    self._queue.append((still, copy))
                    self._bytes += copy.size
                for ghost in meant:
                    if id(ghost.model) not in kept:
                        self._counters.note(ghost.series, SKIPPED)

    def _meet(self, ghost: Ghost, copy: Copy) -> int:
        """Let a shadow answer; how much of a processor that took, in ns."""
        worked_ns = time.thread_time_ns()
        start_ns, rows, status, disagreed = perf_counter_ns(), 0, 200, 0
        try:
            answer, rows = ghost.answer(copy)
            labels = bool(ghost.model.manifest.signature.classes)
            disagreed = disagreeing(copy.endpoint, labels, copy.answer, answer)
        except Exception as error:  # noqa: BLE001  it is a shadow: whatever happens, nobody else notices
            status = 500
            reference = ghost.model.manifest.reference
            if reference not in self._told:  # once: it may be every request
                self._told.add(reference)
                log.warning("shadow %s cannot answer what was answered: %r", reference, error)
        elapsed_ns = perf_counter_ns() - start_ns
        self._counters.count(ghost.series, copy.endpoint, status, rows, elapsed_ns)
        if disagreed:
            self._counters.note(ghost.series, DISAGREED, disagreed)
        return time.thread_time_ns() - worked_ns  # sessions run in the thread that calls them


class Busy:
    """How much of a processor this process takes for what is not its shadows'."""

    def __init__(self) -> None:
        """Nothing is known yet: there is nothing to spare."""
        self._wall_ns, self._process_ns, self._own_ns = perf_counter_ns(), time.process_time_ns(), 0
        self._allowed_ns = 0.0

    def look(self) -> None:
        """Measure since the last look, and allow what was left of it."""
        wall_ns, process_ns = perf_counter_ns(), time.process_time_ns()
        passed_ns = wall_ns - self._wall_ns
        others_ns = max(process_ns - self._process_ns - self._own_ns, 0)
        self._allowed_ns = SPARE * passed_ns - others_ns
        self._wall_ns, self._process_ns, self._own_ns = wall_ns, process_ns, 0

    def spare(self) -> bool:
        """Whether there is still something to spare."""
        return self._allowed_ns > 0

    def worked(self, worked_ns: int) -> None:
        """Take off what a shadow used."""
        self._own_ns += worked_ns
        self._allowed_ns -= worked_ns


def disagreeing(endpoint: int, labels: bool, said: bytes, shadow: bytes) -> int:
    """Rows in which two answers to the same request disagree: another label, or a number that is far off."""
    one, two = msgspec.json.decode(said), msgspec.json.decode(shadow)
    differ = operator.ne if labels else _far_off  # a label may be a number, too
    if endpoint == PREDICT:
        return int(differ(one["prediction"], two["prediction"]))
    return sum(map(differ, one["predictions"], two["predictions"]))


def _far_off(one: float, two: float) -> bool:
    return abs(one - two) > NUMBER_TOLERANCE * max(abs(one), abs(two))
