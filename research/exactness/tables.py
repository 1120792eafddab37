"""The tables of the study: five that come with scikit-learn, and a larger one that is generated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from registry.manifest import Task

SEED = 0
HOLES = 0.05
WORDS = ("lowest", "low", "middle", "high", "highest")
GENERATED_ROWS, GENERATED_FEATURES = 20_000, 30


@dataclass(frozen=True)
class Table:
    """Rows to fit on, and to ask about."""

    name: str
    task: Task
    X: NDArray[np.float64]
    """``(n, features)``"""
    y: NDArray[np.float64] | NDArray[np.int64]
    """``(n,)``: class numbers from 0, or values."""

    def with_holes(self) -> NDArray[np.float64]:
        """The rows with one value in twenty missing, always the same ones."""
        holes = np.random.default_rng(SEED).random(self.X.shape) < HOLES
        return np.where(holes, np.nan, self.X)


def names(X: NDArray[np.float64]) -> tuple[str, ...]:
    """``f0``, ``f1``, …"""
    return tuple(f"f{number}" for number in range(X.shape[1]))


def with_categories(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two features replaced by the fifth of the rows that each value falls into, 0 to 4."""
    coded = X.copy()
    for feature in (0, 1):
        edges = np.quantile(X[:, feature], np.linspace(0, 1, len(WORDS) + 1)[1:-1])
        coded[:, feature] = np.searchsorted(edges, X[:, feature])
    return coded


def renamed(y: NDArray[Any], labels: str) -> NDArray[Any]:
    """Classes by other names: ``words``, or ``booleans`` for whether it is the first of them."""
    if labels == "words":
        return np.array([f"class {label}" for label in y.tolist()])
    return y == 0 if labels == "booleans" else y


def _bundled(load: Callable[..., tuple[NDArray[np.float64], NDArray[np.int64]]], task: Task) -> Table:
    X, y = load(return_X_y=True)
    return Table(load.__name__.removeprefix("load_"), task, X.astype(np.float64), y)


def _generated(task: Task) -> Table:
    """20,000 rows of 30 features; three classes, or values with noise."""
    size = {"n_samples": GENERATED_ROWS, "n_features": GENERATED_FEATURES, "random_state": SEED}
    if task == "classification":
        X, y = datasets.make_classification(n_informative=12, n_classes=3, **size)
    else:
        X, y = datasets.make_regression(n_informative=12, noise=10.0, **size)
    return Table("generated", task, X, y)


def tables() -> list[Table]:
    """All of them; ``generated`` stands for two, one per task."""
    loaders = (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_digits)
    return [
        *(_bundled(load, "classification") for load in loaders),
        _generated("classification"),
        _bundled(datasets.load_diabetes, "regression"),
        _generated("regression"),
    ]
