"""One small tree: three questions at most."""

from __future__ import annotations

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from research.experiment import Experiment


def _fit(X: NDArray[np.float64], y: NDArray[np.int64]) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)


EXPERIMENT = Experiment(
    name="decision_tree",
    description="Decision tree of depth 3",
    dtype="float32",
    file="decision_tree.joblib",
    fit=_fit,
    save=joblib.dump,
)
