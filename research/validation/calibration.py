"""Whether a stated probability is the share of times that it comes true."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

BINS = 10
Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


class Bin(msgspec.Struct, frozen=True):
    """Answers that were about as sure as each other."""

    low: float
    high: float
    rows: int
    confidence: float
    """Mean probability of the class that was answered."""
    accuracy: float
    """Share of them that were right."""


def brier(probabilities: Probabilities, labels: Labels) -> float:
    """Mean squared distance of ``(n, classes)`` probabilities from what came true, summed over the classes.

    Brier's own form (1950, Mon. Weather Rev. 78:1-3): 0 is best, 2 is certain of the wrong class each time.
    For two classes it is twice scikit-learn's ``brier_score_loss``.
    """
    came_true = np.zeros_like(probabilities)
    came_true[np.arange(len(labels)), labels] = 1.0
    return float(((probabilities - came_true) ** 2).sum(axis=1).mean())


def reliability(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> tuple[Bin, ...]:
    """Answers by how sure they were, in equally wide bins; those without a row are left out.

    A confidence on an edge belongs to the bin below it, as in Guo et al. (2017, ICML).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for place in range(bins):
        inside = places == place
        if inside.any():
            sure, share = float(confidence[inside].mean()), float(right[inside].mean())
            found.append(Bin(place / bins, (place + 1) / bins, int(inside.sum()), sure, share))
    return tuple(found)


def expected_calibration_error(table: tuple[Bin, ...]) -> float:
    """Mean gap between confidence and accuracy, weighted by rows (Naeini et al. 2015, AAAI)."""
    rows = sum(each.rows for each in table)
    return sum(each.rows * abs(each.confidence - each.accuracy) for each in table) / rows
