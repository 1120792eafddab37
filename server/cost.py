"""What a model's answers cost on this machine, measured when the model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec

from registry.manifest import Value

ROUNDS = 25
"""Of single rows; the median of fewer would be a matter of luck."""
ENOUGH_NS = 10_000_000
"""A model that is slow enough to use this up is measured well enough."""
SLICE_NS = 1_000_000
"""Rows of a batch are run in slices that take about as long."""
LEAST_ROWS, MOST_ROWS = 16, 4096
"""In a slice."""


class Cost(NamedTuple):
    """Of answers without probabilities, with everything from the body's bytes to the answer's."""

    row_ns: float
    """A single row."""
    byte_ns: float
    """A batch, for each byte of its body: the size is known before the body is read."""
    slice_rows: int
    """Rows that are run in one go."""


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
