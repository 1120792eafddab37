"""Who may begin: heavy requests take turns, and what cannot be done in time is refused before any work.

A single row of a usual model takes some microseconds and is never kept here. What takes longer than
``HEAVY_NS`` (large batches, single rows of a very large model) goes one at a time: two at once would both be
late, and single rows share the processor with one batch instead of with all of them.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns

from server.errors import Unavailable

HEAVY_NS = 1_000_000
"""Work that is expected to take longer waits for its turn."""
MAX_WAITING = 8
"""Requests that one worker lets wait, however long their deadlines are: each holds a thread and a body. The
setting ``threads`` is larger, so that some are left for single rows."""
LEARNING = 0.2
"""Share of the newest observation in ``_pace``."""
FAR_OFF = 20.0
"""An observation that is further from its estimate says that something else went on."""
LEAST_PACE = 0.25
"""An estimate is not further above the truth. A deadline that even this would miss is hopeless, and no reason
to doubt the estimate."""
EASE = 0.7
"""What a refusal by a worker that has nothing else to do leaves of ``_pace``: an estimate that is too high
would otherwise never be put right, because only work that was admitted can be measured."""


class _Place:
    """Somebody in the line. Its lock opens when its turn has come."""

    def __init__(self, work_ns: float) -> None:
        self.work_ns = work_ns
        self.started_ns = 0
        self.turn = threading.Lock()
        self.turn.acquire()

    def start(self, now_ns: int) -> None:
        self.started_ns = now_ns
        self.turn.release()

    def left_ns(self, pace: float, now_ns: int) -> float:
        spent_ns = now_ns - self.started_ns if self.started_ns else 0
        return max(self.work_ns * pace - spent_ns, 0.0)


class Line:
    """The heavy requests of one worker, first come, first served. Safe to call from several threads."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = threading.Lock()
        self._places: deque[_Place] = deque()
        self._pace = 1.0
        """Time that work takes now, relative to what was measured when its model was loaded."""

    @contextmanager
    def turn(self, work_ns: float, deadline_ns: int) -> Iterator[None]:
        """Wait for one's turn, and work inside the block.

        Args:
            work_ns: how long the work takes, as measured when the model was loaded.
            deadline_ns: when the answer must be there, on the clock of ``perf_counter_ns``.

        Raises:
            Unavailable: it cannot be there in time, or too many wait already. Nothing was begun.
        """
        place = self._enter(work_ns, deadline_ns)
        try:
            latest_start_s = (deadline_ns - perf_counter_ns() - work_ns * self._pace) / 1e9
            if not place.turn.acquire(timeout=max(latest_start_s, 0.0)):
                raise Unavailable("the work before this request took longer than expected; try again")
            started_ns = perf_counter_ns()
            yield
            self._learn((perf_counter_ns() - started_ns) / work_ns)
        finally:
            self._leave(place)

    def _enter(self, work_ns: float, deadline_ns: int) -> _Place:
        with self._lock:
            now_ns = perf_counter_ns()
            ahead_ns = sum(place.left_ns(self._pace, now_ns) for place in self._places)
            if len(self._places) > MAX_WAITING:
                words = f"{MAX_WAITING} large requests are waiting already; try again"
                raise Unavailable(words, math.ceil(ahead_ns / 1e9))
            if now_ns + ahead_ns + work_ns * self._pace > deadline_ns:
                if not self._places and now_ns + work_ns * LEAST_PACE <= deadline_ns:
                    self._pace = max(self._pace * EASE, LEAST_PACE)
                words = f"the deadline cannot be kept: {ahead_ns / 1e6:.0f} ms of work come first"
                raise Unavailable(words, math.ceil(ahead_ns / 1e9))
            place = _Place(work_ns)
            self._places.append(place)
            if len(self._places) == 1:
                place.start(now_ns)
            return place

    def _leave(self, place: _Place) -> None:
        with self._lock:
            first = self._places[0] is place
            self._places.remove(place)
            if first and self._places:
                self._places[0].start(perf_counter_ns())

    def _learn(self, ratio: float) -> None:
        ratio = min(max(ratio, LEAST_PACE), FAR_OFF)
        self._pace += LEARNING * (ratio - self._pace)  # only who has the turn is here
