"""AdaBoost, beyond what stands among the committees: one class, and members that are no trees."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

from convert.errors import Unconvertible
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)


def test_one_class_is_refused() -> None:
    """It adds up no votes at all."""
    model = AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=3).fit(IRIS, np.zeros(150))
    with pytest.raises(Unconvertible, match="AdaBoost of one class"):
        prove(model, IRIS)


def test_votes_of_linear_models() -> None:
    """Members that are built as they are, and not as trees."""
    model = AdaBoostClassifier(LogisticRegression(), n_estimators=4, random_state=0)
    model.fit(IRIS, np.array(["a", "b", "c"])[SPECIES])
    assert prove(model, around(model, IRIS, 300))[1:3] == (0, 0)


def test_median_of_machines() -> None:
    """Of regressors that compute."""
    model = AdaBoostRegressor(SVR(), n_estimators=3, random_state=0).fit(IRIS[:, :3], IRIS[:, 3])
    assert prove(model, around(model, IRIS[:, :3], 300))[1:3] == (0, 0)
