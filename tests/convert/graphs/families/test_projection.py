"""Chosen, projected and multiplied columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from convert.errors import Unconvertible
from convert.graphs.targets import target
from convert.oracle import Oracle
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    "selector",
    [
        SelectKBest(k=2),
        SelectPercentile(percentile=50),
        SelectFromModel(ExtraTreesClassifier(5, random_state=0)),
        RFE(DecisionTreeClassifier(random_state=0), n_features_to_select=2),
        SequentialFeatureSelector(DecisionTreeClassifier(random_state=0), n_features_to_select=2, cv=2),
        VarianceThreshold(0.5),
    ],
    ids=lambda one: type(one).__name__,
)
def test_selectors_are_exact(selector: Any) -> None:
    """What chose the columns is asked nothing any more, so it loosens no bound either."""
    model = make_pipeline(selector, RandomForestClassifier(7, random_state=0)).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS))[1:] == (0, 0, 0.0)
    assert not target(Oracle(model).estimator).margin_ulp


def test_no_column_left() -> None:
    """Such a pipeline has nothing to read."""
    with pytest.warns(UserWarning, match="No features were selected"):
        model = make_pipeline(
            FeatureUnion(
                [("few", SelectFromModel(DecisionTreeClassifier(), threshold=2)), ("all", "passthrough")]
            ),
            DecisionTreeClassifier(),
        ).fit(IRIS, SPECIES)
    with pytest.raises(Unconvertible, match="it keeps no column"):
        prove(model, IRIS)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer], ids=lambda load: load.__name__)
@pytest.mark.parametrize(
    "reducer", [PCA(3), PCA(2, whiten=True), IncrementalPCA(2), TruncatedSVD(2)], ids=str
)
def test_forests_behind_a_projection(load: Any, reducer: Any) -> None:
    """The trainer's product depends on its library and on the batch, so a margin is allowed; none is used."""
    X, y = load(return_X_y=True)
    model = make_pipeline(StandardScaler(), reducer, RandomForestClassifier(7, random_state=0)).fit(X, y)
    assert prove(model, around(model, X))[1:3] == (0, 0)
    assert target(Oracle(model).estimator).margin_ulp


def test_other_projections_are_refused() -> None:
    """With the step and its place."""
    model = make_pipeline(StandardScaler(), KernelPCA(2), DecisionTreeClassifier()).fit(IRIS, SPECIES)
    with pytest.raises(Unconvertible, match=r"step 'kernelpca' \(2 of 3\) of the pipeline: .*KernelPCA"):
        prove(model, IRIS)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31 - 1),
)
def test_any_polynomial(features: int, high: int, low: int, bias: bool, apart: bool, seed: int) -> None:
    """Products in the trainer's order."""
    if high == 0 and not bias:
        high = 1
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, features))
    made = PolynomialFeatures((min(low, high), high), include_bias=bias, interaction_only=apart)
    try:
        made.fit(X)
    except ValueError:
        return
    if not made.n_output_features_:
        return
    model = make_pipeline(made, DecisionTreeClassifier(random_state=0)).fit(X, rng.integers(0, 2, 30))
    assert prove(model, around(model, X, 100, seed))[1:] == (0, 0, 0.0)
