"""How sure a measured quality is: intervals of 95 % confidence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""97.5 % point of the normal distribution."""
RESAMPLES = 1_000
MAX_DRAWN = 50_000_000
"""Rows that all resamples together may have: some seconds. More rows, fewer resamples."""
MIN_RESAMPLES = 100
DIGITS = 4
"""Of a bootstrapped bound: more would only tell one processor's sums from another's."""


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Of a share of right answers, ``rows`` at least 1 (Wilson, 1927, without continuity correction)."""
    share, spread = right / rows, Z * Z / rows
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / rows + spread / (4 * rows)) / (1 + spread)
    # Where all or none are right the bound is exact, which the rounding must not hide.
    return max(0.0, centre - half) if right else 0.0, min(1.0, centre + half) if right < rows else 1.0


def resamples(rows: int) -> int:
    """How many resamples ``r2`` draws."""
    return max(MIN_RESAMPLES, min(RESAMPLES, MAX_DRAWN // rows))


def r2(right: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float] | None:
    """Of the coefficient of determination of ``(n,)`` predictions: percentile bootstrap over rows, seed 0.

    None where it has none: a resample whose right values are all alike, or numbers that overflow.
    """
    drawn = np.random.default_rng(0)
    rows, many = len(right), resamples(len(right))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        left = (right - predicted) ** 2
        found = np.empty(many)
        for number in range(many):
            picked = drawn.integers(0, rows, rows)
            sample = right[picked]
            if sample.min() == sample.max():
                return None
            found[number] = 1 - left[picked].sum() / ((sample - sample.mean()) ** 2).sum()
    if not np.isfinite(found).all():
        return None
    low, high = np.percentile(found, (2.5, 97.5)).round(DIGITS).tolist()
    return low, high
