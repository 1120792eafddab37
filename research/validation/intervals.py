"""Intervals of 95 % confidence: Wilson's for a share, the bootstrap for anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""Standard normal quantile of 0.975."""
RESAMPLES = 2_000
SEED = 0


class Interval(NamedTuple):
    """Smallest and largest value that the rows speak for."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value is inside, ends included."""
        return self.low <= value <= self.high

    def meets(self, other: Interval) -> bool:
        """Whether the two have a value in common."""
        return self.low <= other.high and other.low <= self.high


def wilson(right: float, rows: int) -> Interval:
    """Score interval of a share (Wilson 1927, JASA 22:209-212), without continuity correction.

    Keeps its level also for few rows and for shares near 1, where the textbook's normal interval leaves
    [0, 1] or has no width. ``right`` may be fractional: a mean over repeats that saw the same rows.

    Raises:
        ValueError: no rows, or more right ones than there are.
    """
    if rows < 1 or not 0 <= right <= rows:
        raise ValueError(f"expected 0 <= right <= rows and at least one row, came {right} of {rows}")
    share, weight = right / rows, Z_95**2 / rows
    centre = (share + weight / 2) / (1 + weight)
    reach = Z_95 / (1 + weight) * float(np.sqrt(share * (1 - share) / rows + weight / (4 * rows)))
    # at the ends the formula gives 0 and 1 but for rounding
    low = 0.0 if right == 0 else max(0.0, centre - reach)
    return Interval(low, 1.0 if right == rows else min(1.0, centre + reach))


def bootstrap(
    statistic: Callable[..., float],
    *columns: NDArray[Any],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Percentile interval of ``statistic(*columns)`` over rows drawn with replacement (Efron 1979).

    Every column has the same ``n`` rows along its first axis and is resampled by the same draw, so that a
    row stays whole. Resamples on which the statistic is not finite (no spread in a tiny sample) are left out.

    Raises:
        ValueError: no rows, or no resample has a finite statistic.
    """
    rows = len(columns[0])
    if not rows or any(len(column) != rows for column in columns):
        raise ValueError("expected columns of one length with at least one row")
    draws = np.random.default_rng(seed)
    found = np.empty(resamples)
    for number in range(resamples):
        drawn = draws.integers(0, rows, rows)
        found[number] = statistic(*(column[drawn] for column in columns))
    known = found[np.isfinite(found)]
    if not known.size:
        raise ValueError("no resample has a finite statistic")
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(float(low), float(high))
