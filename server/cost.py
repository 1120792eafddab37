"""What a model's answers cost on this machine, measured when the model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter_ns
from typing import Any

import msgspec

from registry.manifest import Value
from server.admission import HEAVY_NS

ROUNDS = 25
"""Of single rows; the median of fewer would be a matter of luck."""
ENOUGH_NS = 10_000_000
"""A model that is slow enough to use this up is measured well enough."""
SLICE_NS = 1_000_000
"""Rows of a batch are run in slices that take about as long."""
LEAST_ROWS, MOST_ROWS = 16, 4096
"""In a slice."""
PARSE_BYTE_NS = 10
"""A byte of a single row's body, at most. A usual row has a hundred; a body of a megabyte takes its turn."""


class Cost:
    """Of answers without probabilities, with everything from the body's bytes to the answer's. Immutable.

    Attributes:
        row_ns: a single row.
        byte_ns: a batch, for each byte of its body: the size is known before the body is read.
        slice_rows: rows that are run in one go.
        light_bytes: of a single row and of a batch, the largest body that need not wait for its turn.
    """

    def __init__(self, row_ns: float, byte_ns: float, slice_rows: int) -> None:
        """Work out what is light."""
        self.row_ns, self.byte_ns, self.slice_rows = row_ns, byte_ns, slice_rows
        self.light_bytes = (HEAVY_NS - row_ns) / PARSE_BYTE_NS, HEAVY_NS / byte_ns

    def work_ns(self, batch: bool, size_bytes: int) -> float:
        """Of a body of that size, before it is read."""
        return self.byte_ns * size_bytes if batch else self.row_ns + PARSE_BYTE_NS * size_bytes


UNKNOWN = Cost(row_ns=50_000, byte_ns=100, slice_rows=256)
"""Of a model that answers none of its own golden rows; the usual of a small forest."""


def measure(
    one: Callable[[tuple[Value, ...]], object],
    many: Callable[[bytes], object],
    rows: Sequence[tuple[Value, ...]],
) -> Cost:
    """Time a model's own functions on its golden rows.

    Args:
        one: answers one row.
        many: answers the body of a batch.
        rows: at least one; the functions have answered them before.
    """
    body = msgspec.json.encode({"instances": rows})
    batch_ns = _time(lambda: many(body), 3)
    each_ns = batch_ns / len(rows)
    slice_rows = min(max(int(SLICE_NS / each_ns), LEAST_ROWS), MOST_ROWS)
    return Cost(_time(lambda: one(rows[0]), ROUNDS), batch_ns / len(body), slice_rows)


def _time(work: Callable[[], Any], rounds: int) -> float:
    """Median, in nanoseconds."""
    taken: list[int] = []
    while len(taken) < rounds and sum(taken) < ENOUGH_NS:
        start_ns = perf_counter_ns()
        work()
        taken.append(perf_counter_ns() - start_ns)
    return median(taken)
