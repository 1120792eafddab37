"""What a column of data looks like, in a few numbers: the same ones for the same column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Histogram

BINS = 20
VALUES = 50


def of_numbers(feature: str, column: NDArray[np.float64]) -> Histogram:
    """At most ``BINS`` equally wide bins from the smallest to the largest of ``(n,)`` values; NaN is missing.

    Not more bins than there are distinct values; one value is a bin of no width; none, no bins. A value on an
    edge counts for the bin to its right, the largest for the last.
    """
    known = column[~np.isnan(column)]
    missing = len(column) - len(known)
    if not len(known):
        return Histogram(feature=feature, missing=missing)
    bins = min(BINS, len(np.unique(known)))
    low, high = float(known.min()), float(known.max())
    edges = np.linspace(low / 2, high / 2, bins + 1) * 2  # of halves: their difference cannot overflow
    edges[0], edges[-1] = low, high
    places = np.clip(np.searchsorted(edges, known, "right") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    return Histogram(
        feature=feature, missing=missing, edges=tuple(edges.tolist()), counts=tuple(counts.tolist())
    )


def of_strings(feature: str, column: Sequence[str]) -> Histogram:
    """The ``VALUES`` most frequent strings, most frequent first, then in alphabetical order."""
    found = sorted(Counter(column).items(), key=lambda item: (-item[1], item[0]))[:VALUES]
    return Histogram(
        feature=feature, values=tuple(value for value, _ in found), counts=tuple(count for _, count in found)
    )
