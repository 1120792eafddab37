"""Scalers and bins: every bit, so that trees behind them split as in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tests.convert.proof import around, prove, punched

IRIS, SPECIES = load_iris(return_X_y=True)
SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-3, 2), clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False, quantile_range=(10, 90)),
    RobustScaler(with_scaling=False),
]
ROWWISE = [Binarizer(threshold=2.5), Normalizer("max"), Normalizer("l1"), Normalizer("l2")]


@pytest.mark.parametrize("scaler", [*SCALERS, *ROWWISE], ids=str)
def test_forests_behind_them_are_exact(scaler: Any) -> None:
    """Beside every threshold of the forest, too."""
    model = make_pipeline(scaler, RandomForestClassifier(7, random_state=0)).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_missing_values_pass(scaler: Any) -> None:
    """NaN stays NaN, also where numbers are clipped."""
    model = make_pipeline(scaler, DecisionTreeClassifier(random_state=0)).fit(punched(IRIS), SPECIES)
    assert prove(model, punched(around(model, IRIS), seed=1))[1:] == (0, 0, 0.0)


def test_boosted_trees_behind_a_scaler() -> None:
    """They read float32: of a number that was scaled in float64."""
    model = make_pipeline(StandardScaler(), XGBClassifier(n_estimators=20, n_jobs=1)).fit(IRIS, SPECIES)
    found = prove(model, around(model, IRIS, 10_000))
    assert (found.labels_wrong, found.numbers_wrong) == (0, 0)


@pytest.mark.parametrize(
    "scaler",
    [PowerTransformer(), PowerTransformer(standardize=False), PowerTransformer("box-cox")],
    ids=str,
)
def test_powers_are_close(scaler: Any) -> None:
    """Within the bound of what rounds, negative numbers included."""
    data = IRIS - (0 if scaler.method == "box-cox" else IRIS.mean(axis=0))
    model = make_pipeline(scaler, LinearRegression()).fit(data, SPECIES)
    scaler.lambdas_[:3] = 0, 1, 2  # where the formula has other branches
    rows = around(model, data)
    rows = np.abs(rows) + 0.01 if scaler.method == "box-cox" else rows
    assert prove(model, rows)[1:3] == (0, 0)


@pytest.mark.parametrize("encode", ["ordinal", "onehot", "onehot-dense"])
@pytest.mark.parametrize("dtype", [None, np.float32])
def test_bins(encode: str, dtype: Any) -> None:
    """On the edges and beside them; a float32 discretizer rounds before it looks."""
    bins = KBinsDiscretizer(4, encode=encode, dtype=dtype, strategy="uniform")
    model = make_pipeline(bins, DecisionTreeClassifier(random_state=0)).fit(IRIS, SPECIES)
    edges = np.array(list(bins.bin_edges_)).T
    near = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
    assert prove(model, np.concatenate([around(model, IRIS), near]))[1:] == (0, 0, 0.0)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(SCALERS), st.integers(-300, 300), st.integers(0, 2**31 - 1), st.integers(1, 6))
def test_any_data(scaler: Any, magnitude: int, seed: int, features: int) -> None:
    """Tiny and huge numbers, constant columns, duplicates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, features)).round(1) * 10.0 ** (magnitude / 10)
    X[:, 0] = X[0, 0]
    y = rng.integers(0, 3, 40)
    model = make_pipeline(scaler, DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert prove(model, around(model, X, 200, seed))[1:] == (0, 0, 0.0)
