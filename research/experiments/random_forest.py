"""A hundred trees that vote; grown to the end, so that each leaf is of one class."""

from __future__ import annotations

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from research.experiment import Experiment


def _fit(X: NDArray[np.float64], y: NDArray[np.int64]) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=1).fit(X, y)


EXPERIMENT = Experiment(
    name="random_forest",
    description="Random forest of 100 trees",
    dtype="float32",
    file="random_forest.joblib",
    fit=_fit,
    save=joblib.dump,
)
