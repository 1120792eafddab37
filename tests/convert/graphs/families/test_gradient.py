"""GradientBoosting of scikit-learn: every label, and every bit but for those behind ``exp``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier

from convert.errors import Unconvertible
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
CLASSIFIERS = {
    "multiclass": {},
    "zero": {"init": "zero"},
    "one tree": {"n_estimators": 1},
    "stopped early": {"n_iter_no_change": 2, "n_estimators": 60},
    "dummy": {"init": DummyClassifier(strategy="most_frequent")},
}
REGRESSORS = {
    **{loss: {"loss": loss} for loss in ("squared_error", "absolute_error", "huber", "quantile")},
    "zero": {"init": "zero"},
    "subsample": {"subsample": 0.5, "learning_rate": 0.3},
    "dummy": {"init": DummyRegressor(strategy="median")},
}


@pytest.mark.parametrize("options", CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 3])
def test_classifiers_are_exact(options: dict[str, Any], dtype: Any, classes: int) -> None:
    """Beside every threshold too, whichever input the graph takes."""
    model = GradientBoostingClassifier(**{"n_estimators": 12, "random_state": 0, **options})
    model.fit(IRIS, SPECIES.clip(max=classes - 1))
    assert prove(model, around(model, IRIS), dtype)[1:3] == (0, 0)


def test_the_exponential_loss_has_its_own_link() -> None:
    """Its probabilities are those of twice the sum."""
    model = GradientBoostingClassifier(loss="exponential", n_estimators=12, random_state=0)
    model.fit(IRIS, SPECIES == 1)
    assert prove(model, around(model, IRIS))[1:3] == (0, 0)


def test_a_sum_of_zero_is_the_second_class() -> None:
    """With a start of zero and trees that learnt nothing, every sum is exactly zero."""
    model = GradientBoostingClassifier(init="zero", n_estimators=2).fit(np.zeros((4, 1)), [0, 1, 0, 1])
    assert model.predict([[0.0]]) == [1]
    assert prove(model, np.zeros((1, 1)))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("options", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors_are_exact(options: dict[str, Any]) -> None:
    """The same for values."""
    model = GradientBoostingRegressor(**{"n_estimators": 12, "random_state": 0, **options})
    model.fit(DIABETES, PROGRESS)
    assert prove(model, around(model, DIABETES))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (RandomForestClassifier(2, random_state=0), "init=RandomForestClassifier.*train with init='zero'"),
        (DummyClassifier(strategy="stratified"), "init=DummyClassifier"),
    ],
)
def test_a_start_that_is_no_constant_is_refused(first: Any, told: str) -> None:
    """The text says what to do."""
    model = GradientBoostingClassifier(n_estimators=2, init=first).fit(IRIS, SPECIES)
    with pytest.raises(Unconvertible, match=told):
        prove(model, IRIS)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 8),
    st.integers(2, 12),
    st.integers(1, 5),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_anything_small_is_exact(trees: int, classes: int, depth: int, seed: int, weighted: bool) -> None:
    """One tree, one leaf, constant features, sample weights, many classes: nothing is special."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3)).round(1)
    X[:, 2] = 1.0
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, 60 - classes)])
    weights = rng.uniform(0.1, 3, 60) if weighted else None
    model = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, random_state=seed)
    model.fit(X, y, weights)
    assert prove(model, around(model, X, 300, seed))[1:3] == (0, 0)
    values = GradientBoostingRegressor(n_estimators=trees, max_depth=depth, random_state=seed)
    values.fit(X, y * 1.1, weights)
    assert prove(values, around(values, X, 300, seed))[1:] == (0, 0, 0.0)
