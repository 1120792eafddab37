"""Counters that every worker adds to without a lock and any worker can sum.

One piece of shared memory holds a block of unsigned 64-bit cells for each (seat, desk, series). A worker
writes only the blocks of its own seat, and each of its threads, while it counts, only those of a desk that no
other thread has at that time; a reader sums over all. A replacement takes over the seat of the worker that
died, so a sum never runs backwards while the server is up.
"""

from __future__ import annotations

import bisect
import mmap
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DESKS = 4
"""Of a worker: threads that may count at the same time. Counting takes a microsecond: two are rare."""
MAX_SERIES = 256
"""Series 0 is for answers without a model (unknown name); the last is shared by all models past the limit."""
BUCKETS_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of the latency histogram, in seconds; what is slower is counted in ``+Inf`` alone."""
ENDPOINTS = ("predict", "batch", "infer")
STATUSES = ("2xx", "4xx", "5xx")
OK = 200
_BOUNDS_NS = [int(bound * 1e9) for bound in BUCKETS_S]
ROWS = len(ENDPOINTS) * len(STATUSES)
TIME = ROWS + 1  # nanoseconds, by endpoint
HISTOGRAM = TIME + len(ENDPOINTS)
WIDTH = len(BUCKETS_S) + 1
NOTES_AT = HISTOGRAM + len(ENDPOINTS) * WIDTH
NOTES = (
    *("keyless", "disagreed", "skipped", "out_of_time"),
    *(
        "executions",
        "inferred_rows",
        "queue_ns",
        "input_ns",
        "infer_ns",
        "output_ns",
        "failed_ns",
        "latest_ms",
    ),
)
"""Requests without the sticky header; rows in which a shadow disagreed; requests that it was spared; requests
that were refused because they could not be answered in time, which is nobody's failure. Then of
the Open Inference Protocol: runs of the session and their rows, the times of the parts of what succeeded, all
of what failed, and the time of the last (milliseconds since 1970; the one that is no sum)."""
CELLS = NOTES_AT + len(NOTES)
PREDICT, BATCH, INFER = range(len(ENDPOINTS))
KEYLESS, DISAGREED, SKIPPED, OUT_OF_TIME = range(4)
EXECUTIONS, INFERRED_ROWS, QUEUE_NS, INPUT_NS, INFER_NS, OUTPUT_NS, FAILED_NS, LATEST_MS = range(
    4, len(NOTES)
)


def create(seats: int) -> Path:
    """Make the shared memory, all zeros; it lasts as long as this process, and no disk can lose it.

    Returns:
        Where a process of the same user opens it.
    """
    descriptor = os.memfd_create("mps-counters")
    os.posix_fallocate(descriptor, 0, seats * DESKS * MAX_SERIES * CELLS * 8)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def series_index(series: Sequence[str], reference: str) -> int:
    """Where a model's counters are kept."""
    return min(series.index(reference) + 1, MAX_SERIES - 1)


class Counters:
    """One worker's view: writes its own seat, reads all."""

    def __init__(self, path: Path, seat: int) -> None:
        """Map what ``create`` made."""
        with path.open("r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        stride = MAX_SERIES * CELLS
        self._all_desks = len(self._cells) // stride
        self._free = [(seat * DESKS + desk) * stride for desk in range(DESKS)]

    def count(self, series: int, endpoint: int, status: int, rows: int, elapsed_ns: int) -> None:
        """Add one answered request. Safe to call from several threads, without a lock.

        ``rows`` counts where there may be several; an answer of ``PREDICT`` is a row.
        """
        try:
            desk = self._free.pop()  # as _desk does
        except IndexError:
            desk = self._desk()
        cells, base = self._cells, desk + series * CELLS
        try:
            kind = 0 if status == OK else (status // 100 - 1) // 2  # 2xx 4xx 5xx: 0 1 2
            cells[base + endpoint * len(STATUSES) + kind] += 1
            if endpoint != PREDICT:  # there, an answer is a row
                cells[base + ROWS] += rows
            cells[base + TIME + endpoint] += elapsed_ns
            cells[base + HISTOGRAM + endpoint * WIDTH + bisect.bisect_left(_BOUNDS_NS, elapsed_ns)] += 1
        finally:
            self._free.append(desk)

    def note(self, series: int, which: int, times: int = 1) -> None:
        """Add to one of ``NOTES``. Safe to call from several threads, without a lock."""
        desk = self._desk()
        self._cells[desk + series * CELLS + NOTES_AT + which] += times
        self._free.append(desk)

    def note_all(self, series: int, notes: Mapping[int, int], latest_ms: int) -> None:
        """Add to several of ``NOTES`` at once, and set the latest time. Safe to call from several threads."""
        desk = self._desk()
        base = desk + series * CELLS + NOTES_AT
        for which, times in notes.items():
            self._cells[base + which] += times
        self._cells[base + LATEST_MS] = latest_ms
        self._free.append(desk)

    def _desk(self) -> int:
        while True:
            try:
                return self._free.pop()  # one step for the interpreter: no two threads get the same
            except IndexError:
                time.sleep(0)  # the threads that have them all get their turn

    def sums(self, series: int) -> list[int]:
        """The block of one series, summed over all seats."""
        stride = MAX_SERIES * CELLS
        starts = range(series * CELLS, self._all_desks * stride, stride)
        blocks = [self._cells[start : start + CELLS] for start in starts]
        found = [sum(column) for column in zip(*blocks, strict=True)]
        found[ROWS] += found[PREDICT * len(STATUSES)]
        found[NOTES_AT + LATEST_MS] = max(block[NOTES_AT + LATEST_MS] for block in blocks)
        return found
