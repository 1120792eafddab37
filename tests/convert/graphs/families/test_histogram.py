"""HistGradientBoosting of scikit-learn: every label, and every bit but for those behind ``exp``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from convert.errors import Unconvertible
from convert.graphs.graph import build
from convert.graphs.targets import target
from convert.oracle import Oracle
from server.session import Session
from tests.convert.proof import around, prove, punched, signature_of

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
CLASSIFIERS = {
    "defaults": {},
    "one tree": {"max_iter": 1},
    "one leaf": {"min_samples_leaf": 1000},
    "stopped early": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 60},
}
REGRESSORS = {
    **{loss: {"loss": loss} for loss in ("squared_error", "absolute_error", "poisson", "gamma")},
    "quantile": {"loss": "quantile", "quantile": 0.3},
    "few bins": {"max_bins": 5},
    "monotonic": {"monotonic_cst": [1, -1, 0, 0, 0, 0, 0, 0, 0, 0]},
}
CODES = [1, 2]
"""Features of ``coded`` that are categories."""


def coded(seed: int = 0, rows: int = 400) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A number, two categories (a code up to 70; any number, or none), another number; and classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    X[:, 1] = rng.integers(0, 70, rows)
    X[:, 2] = rng.choice([-1.5, 0, 0.1, 2, 7.25, 1e6, np.nan], rows)
    y = (X[:, 1].astype(int) * 7 % 5 + np.nan_to_num(X[:, 2]).astype(int)) % 3
    return X, y


def with_infinities(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows, with holes, and with infinities in place of some numbers."""
    parts = [rows, punched(rows)]
    for seed, value in ((1, np.inf), (2, -np.inf)):
        parts.append(np.where(np.isnan(punched(rows, seed=seed)), value, rows))
    return np.concatenate(parts)


@pytest.mark.parametrize("options", CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_classifiers_are_exact(options: dict[str, Any], classes: int, holes: float) -> None:
    """Beside every threshold too, and without values, whether or not some were missing in training."""
    model = HistGradientBoostingClassifier(**{"max_iter": 12, "random_state": 0, **options})
    model.fit(punched(IRIS, holes), SPECIES.clip(max=classes - 1))
    assert prove(model, with_infinities(around(model, IRIS)))[1:3] == (0, 0)


@pytest.mark.parametrize("options", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors_are_exact(options: dict[str, Any]) -> None:
    """Only a logarithmic link leaves the last bit open."""
    model = HistGradientBoostingRegressor(**{"max_iter": 12, "random_state": 0, **options})
    model.fit(punched(DIABETES, 0.1), PROGRESS)
    logarithmic = options.get("loss") in ("poisson", "gamma")
    assert (target(model).ulp > 0) == logarithmic
    assert prove(model, with_infinities(around(model, DIABETES)))[1:3] == (0, 0)


def test_large_means_are_exact() -> None:
    """The error of a power grows with its exponent, and the correction for it with them."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 40, (300, 1))
    model = HistGradientBoostingRegressor(loss="gamma", max_iter=200, learning_rate=0.5).fit(
        X, np.exp(X[:, 0])
    )
    assert model.predict(X).max() > 1e15
    assert prove(model, around(model, X))[1:3] == (0, 0)


def test_a_sum_of_zero_is_the_first_class() -> None:
    """Of a balanced table from which nothing can be learnt."""
    model = HistGradientBoostingClassifier(max_iter=2).fit(np.zeros((4, 1)), [0, 1, 0, 1])
    assert model.predict([[0.0]]) == [0]
    assert prove(model, np.zeros((1, 1)))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("classes", [2, 3])
def test_categories_are_exact(classes: int) -> None:
    """Known ones, unknown ones, numbers between them, and missing values."""
    X, y = coded()
    model = HistGradientBoostingClassifier(max_iter=12, categorical_features=CODES, random_state=0)
    model.fit(X, y.clip(max=classes - 1))
    assert any(stage[0].nodes["is_categorical"].any() for stage in model._predictors)
    rows = around(model, X)
    assert prove(model, np.concatenate([rows, punched(rows)]))[1:3] == (0, 0)


def test_categories_of_a_frame_are_exact() -> None:
    """Columns whose dtype says so, of whole numbers."""
    X, y = coded()
    frame = pandas.DataFrame(X[:, [0, 1, 3]], columns=["size", "shop", "age"])
    frame["shop"] = frame["shop"].astype(int).astype("category")
    model = HistGradientBoostingClassifier(max_iter=8, categorical_features="from_dtype").fit(frame, y)
    assert model.is_categorical_.tolist() == [False, True, False]
    assert prove(model, around(model, X[:, [0, 1, 3]]))[1:3] == (0, 0)


def test_categories_that_are_strings_are_refused() -> None:
    """The text names the feature and says what to do."""
    X, y = coded()
    frame = pandas.DataFrame({"size": X[:, 0], "shop": np.where(X[:, 1] > 30, "north", "south")})
    frame["shop"] = frame["shop"].astype("category")
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype").fit(frame, y)
    oracle = Oracle(model)
    with pytest.raises(Unconvertible, match=r"categorical feature 'shop'.*OrdinalEncoder"):
        build(oracle, "proof", signature_of(oracle))


def test_one_class_is_refused() -> None:
    """The trainer takes it, and answers with probabilities of two."""
    model = HistGradientBoostingClassifier(max_iter=2).fit(IRIS, np.zeros(len(IRIS)))
    with pytest.raises(Unconvertible, match="fitted on one class"):
        prove(model, IRIS)


def test_answers_do_not_depend_on_the_batch() -> None:
    """A row gets the same bits alone as among others."""
    model = HistGradientBoostingClassifier(max_iter=5).fit(IRIS, SPECIES)
    oracle = Oracle(model)
    signature = signature_of(oracle)
    session = Session(build(oracle, "proof", signature), signature)
    together = session.answers(session.feed(IRIS)).numbers
    alone = [session.answers(session.feed(row[None])).numbers[0] for row in IRIS]
    assert (together == np.array(alone)).all()


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 6),
    st.integers(2, 30),
    st.integers(2, 8),
    st.integers(0, 2**31 - 1),
    st.booleans(),
    st.booleans(),
)
def test_anything_small_is_exact(
    trees: int, classes: int, leaves: int, seed: int, weighted: bool, categorical: bool
) -> None:
    """One tree, constant features, sample weights, holes, categories, many classes: nothing is special."""
    rng = np.random.default_rng(seed)
    X = punched(rng.normal(size=(90, 4)).round(1), 0.1, seed)
    X[:, 2] = 1.0
    X[:, 3] = rng.integers(-3, 4, 90)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, 90 - classes)])
    weights = rng.uniform(0.1, 3, 90) if weighted else None
    options = {
        "max_iter": trees,
        "max_leaf_nodes": leaves,
        "min_samples_leaf": 3,
        "categorical_features": [3] if categorical else None,
    }
    model = HistGradientBoostingClassifier(**options).fit(X, y, weights)
    assert prove(model, punched(around(model, X, 300, seed), 0.1))[1:3] == (0, 0)
    values = HistGradientBoostingRegressor(**options).fit(X, y * 1.1, weights)
    assert prove(values, punched(around(values, X, 300, seed), 0.1))[1:] == (0, 0, 0.0)
