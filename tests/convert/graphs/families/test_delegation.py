"""Thresholds and transformed targets, beyond what stands among the committees."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)
BINARY = (SPECIES == 1).astype(int)


@pytest.mark.parametrize(
    "model",
    [
        FixedThresholdClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)),
        FixedThresholdClassifier(LinearSVC()),
        FixedThresholdClassifier(LinearSVC(), threshold=0.4, pos_label=0),
        FixedThresholdClassifier(LogisticRegression(), threshold=-1.0, response_method="decision_function"),
    ],
    ids=["half", "zero", "score of the first class", "score beside probabilities"],
)
def test_thresholds(model: Any) -> None:
    """0.5 for probabilities and 0 for scores, unless something else is said."""
    model.fit(IRIS, BINARY)
    assert prove(model, around(model, IRIS, 500))[1:3] == (0, 0)


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
    ],
    ids=str,
)
def test_half_a_way_back(transformer: Any) -> None:
    """A scaler that only moves, or only stretches."""
    part = DecisionTreeRegressor(max_depth=4, random_state=0)
    model = TransformedTargetRegressor(part, transformer=transformer).fit(IRIS[:, :3], IRIS[:, 3])
    assert prove(model, around(model, IRIS[:, :3], 300))[1:] == (0, 0, 0.0)
