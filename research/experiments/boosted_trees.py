"""Gradient boosting with xgboost: fifty rounds of one small tree per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier

from research.experiment import Experiment


def _fit(X: NDArray[np.float64], y: NDArray[np.int64]) -> XGBClassifier:
    model = XGBClassifier(n_estimators=50, max_depth=3, learning_rate=0.1, n_jobs=1, random_state=0)
    return model.fit(X, y)


def _save(model: XGBClassifier, path: Path) -> None:
    path.write_bytes(model.get_booster().save_raw("json"))


EXPERIMENT = Experiment(
    name="xgboost",
    description="Gradient boosted trees: 50 rounds, depth 3, learning rate 0.1",
    dtype="float32",
    file="xgboost.json",
    fit=_fit,
    save=_save,
)
