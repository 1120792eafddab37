"""Missing values and their flags: every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from convert.coding import Coding
from convert.errors import Unconvertible
from tests.convert.proof import around, prove, punched

IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    "imputer",
    [
        SimpleImputer(),
        SimpleImputer(strategy="median", add_indicator=True),
        SimpleImputer(strategy="most_frequent"),
        SimpleImputer(strategy="constant", fill_value=-1.5, add_indicator=True),
    ],
    ids=str,
)
def test_imputers(imputer: Any) -> None:
    """Holes where training had none, too."""
    model = make_pipeline(imputer, RandomForestClassifier(7, random_state=0)).fit(punched(IRIS), SPECIES)
    assert prove(model, punched(around(model, IRIS), seed=1))[1:] == (0, 0, 0.0)


def test_another_marker() -> None:
    """-1 stands for missing."""
    rows = np.where(np.isnan(punched(IRIS)), -1, IRIS)
    imputer = SimpleImputer(missing_values=-1, add_indicator=True)
    model = make_pipeline(imputer, DecisionTreeClassifier(random_state=0)).fit(rows, SPECIES)
    asked = np.where(np.isnan(punched(around(model, IRIS), seed=1)), -1, around(model, IRIS))
    assert prove(model, asked)[1:] == (0, 0, 0.0)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("kept", [False, True])
def test_a_column_without_any_value(kept: bool) -> None:
    """It is dropped, or kept on purpose."""
    X = punched(IRIS)
    X[:, 1] = np.nan
    imputer = SimpleImputer(keep_empty_features=kept, add_indicator=True)
    model = make_pipeline(imputer, DecisionTreeClassifier(random_state=0)).fit(X, SPECIES)
    assert prove(model, punched(IRIS, seed=2))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("features", ["missing-only", "all"])
def test_flags_beside_values(features: str) -> None:
    """A union of an imputer and flags."""
    X = punched(IRIS)
    X[:, 2] = IRIS[:, 2]
    both = FeatureUnion(
        [("values", SimpleImputer()), ("flags", MissingIndicator(features=features, error_on_new=False))]
    )
    model = make_pipeline(both, DecisionTreeClassifier(random_state=0)).fit(X, SPECIES)
    assert prove(model, punched(around(model, IRIS), seed=1))[1:] == (0, 0, 0.0)


def test_marked_strings() -> None:
    """ "?" becomes the most frequent string."""
    coding = Coding(("a", "b"), {0: ("u", "v", "?"), 1: ("x", "?", "y")})
    codes = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)
    X = coding.rows(codes)
    y = (codes[:, 0] + codes[:, 1] > 2).astype(int)
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent")
    model = make_pipeline(imputer, OneHotEncoder(), DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert prove(model, codes, coding=coding)[1:] == (0, 0, 0.0)


STRINGS = Coding(("a", "b"), {0: ("u", "v", "?"), 1: ("x", "?", "y")})
CODES = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_a_column_of_markers_only() -> None:
    """It is dropped, and the column behind it takes its place."""
    codes = np.column_stack([np.full(60, 2.0), CODES[:, 1]])
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent")
    model = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier())
    model.fit(STRINGS.rows(codes), codes[:, 1] > 1)
    assert prove(model, CODES, coding=STRINGS)[1:] == (0, 0, 0.0)


def test_strings_of_which_none_is_missing() -> None:
    """What is served is never missing, so they stay as they are."""
    rows = STRINGS.rows(CODES)
    rows[::7, 0] = np.nan
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(), DecisionTreeClassifier())
    model.fit(rows, CODES.sum(axis=1) > 2)
    assert prove(model, CODES, coding=STRINGS)[1:] == (0, 0, 0.0)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("flags", [False, True])
def test_numbers_beside_strings(flags: bool) -> None:
    """The imputers' columns are counted, or the strings behind them would be looked for elsewhere."""
    coding = Coding(("n", "empty", "t", "gone"), {2: ("u", "v", "?"), 3: ("?", "x")})
    rng = np.random.default_rng(1)
    known = np.column_stack([rng.normal(size=90).round(1), rng.integers(0, 3, 90)])
    codes = np.column_stack([known[:, 0], np.full(90, np.nan), known[:, 1], np.zeros(90)])
    codes[::5, 0] = np.nan
    texts = SimpleImputer(missing_values="?", strategy="most_frequent")
    first = ColumnTransformer(
        [("n", SimpleImputer(add_indicator=flags), ["n", "empty"]), ("t", texts, ["t", "gone"])]
    )
    place = 3 if flags else 1
    second = ColumnTransformer([("o", OneHotEncoder(), [place])], remainder="passthrough")
    model = make_pipeline(first, second, DecisionTreeClassifier(random_state=0))
    model.fit(coding.frame(codes), (known[:, 0] > 0) ^ (codes[:, 2] == 1))
    assert prove(model, codes, coding=coding)[1:] == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("imputer", "second", "reason"),
    [
        (
            SimpleImputer(missing_values="?", strategy="most_frequent", add_indicator=True),
            OneHotEncoder(),
            "flags for missing strings; a string that is served is never missing",
        ),
        (MissingIndicator(missing_values="?"), None, "it reads numbers, and is given strings"),
    ],
    ids=["imputer", "indicator"],
)
def test_flags_for_strings_are_refused(imputer: Any, second: Any, reason: str) -> None:
    """With the reason."""
    model = make_pipeline(imputer, second, DecisionTreeClassifier())
    model.fit(STRINGS.rows(CODES), CODES.sum(axis=1) > 2)
    with pytest.raises(Unconvertible, match=reason):
        prove(model, CODES, coding=STRINGS)


@pytest.mark.filterwarnings("ignore:.*Early stopping criterion not reached")
@pytest.mark.parametrize("imputer", [KNNImputer(), IterativeImputer(max_iter=1)], ids=str)
def test_imputers_that_compute_are_refused(imputer: Any) -> None:
    """With the step and its place."""
    model = make_pipeline(imputer, DecisionTreeClassifier()).fit(punched(IRIS), SPECIES)
    name = type(imputer).__name__
    with pytest.raises(
        Unconvertible,
        match=rf"step '{name.lower()}' \(1 of 2\) of the pipeline: .* no exact graph for {name}",
    ):
        prove(model, IRIS)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["mean", "median", "most_frequent"]),
    st.booleans(),
    st.floats(0.05, 0.6),
    st.integers(0, 2**31 - 1),
)
def test_any_holes(strategy: str, flags: bool, share: float, seed: int) -> None:
    """Wherever values are missing, in training and after."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)).round(1)
    imputer = SimpleImputer(strategy=strategy, add_indicator=flags, keep_empty_features=True)
    model = make_pipeline(imputer, DecisionTreeClassifier(random_state=0))
    model.fit(punched(X, share, seed), rng.integers(0, 2, 40))
    assert prove(model, punched(around(model, X, 100, seed), share, seed))[1:] == (0, 0, 0.0)
