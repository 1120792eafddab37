"""Which class is taken for which."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


class ClassQuality(msgspec.Struct, frozen=True):
    """Of one class."""

    name: str
    rows: int
    """Rows that are of it."""
    precision: float | None
    """Share of the answers of this class that were right; None: it was never answered."""
    recall: float | None
    """Share of the rows of this class that were found; None: there was none."""


def confusion(truth: Labels, answers: Labels, classes: int) -> NDArray[np.int64]:
    """``(classes, classes) int64``: rows of each true class (down) by answered class (across)."""
    counts = np.bincount(truth * classes + answers, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def per_class(matrix: NDArray[np.int64], names: tuple[str, ...]) -> tuple[ClassQuality, ...]:
    """Precision and recall of every class of a ``confusion``."""
    answered, true, right = matrix.sum(axis=0), matrix.sum(axis=1), np.diag(matrix)
    return tuple(
        ClassQuality(
            name, int(true[place]), _share(right[place], answered[place]), _share(right[place], true[place])
        )
        for place, name in enumerate(names)
    )


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
