"""What an experiment is: a way to fit a model, and a way to keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Dtype


class Classifier(Protocol):
    """The part of a fitted model that evaluation needs."""

    def predict(self, rows: NDArray[np.float64], /) -> NDArray[np.int64]:
        """``(n, features) float64`` to class indices ``(n,) int64``."""
        ...  # pragma: no cover  a protocol has no body


@dataclass(frozen=True)
class Experiment:
    """One model family with everything that was decided about it."""

    name: str
    """Name of the model in the registry."""
    description: str
    dtype: Dtype
    """The precision in which the trained model compares."""
    file: str
    """Name of the saved model."""
    fit: Callable[[NDArray[np.float64], NDArray[np.int64]], Any]
    """``(n, 4) float64`` and ``(n,) int64`` to a fitted ``Classifier``; the same one for the same rows."""
    save: Callable[[Any, Path], None]
    """Write the fitted model: the same bytes for the same model."""
