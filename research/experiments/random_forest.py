"""A hundred trees that vote with their class frequencies."""

from __future__ import annotations

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from research.experiment import Experiment


def _fit(X: NDArray[np.float64], y: NDArray[np.int64]) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=100, max_depth=4, random_state=0, n_jobs=1).fit(X, y)


EXPERIMENT = Experiment(
    name="random_forest",
    description="Random forest of 100 trees of depth 4",
    dtype="float32",
    file="random_forest.joblib",
    fit=_fit,
    save=joblib.dump,
)
