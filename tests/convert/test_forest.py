"""Our trees and forests give scikit-learn's labels and the same bits of its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from convert.adversary import attack, survey
from convert.graph import build
from convert.oracle import Oracle
from convert.splits import splits
from registry.manifest import Dtype, Feature, Signature
from server.session import Session

KINDS = [DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier]


def hold(estimator: Any, X: NDArray[np.float64], dtype: Dtype, missing: bool = False) -> dict[str, Any]:
    """Compare on every kind of row; the rows per kind."""
    oracle = Oracle(estimator)
    features = [Feature(name=f"f{n}", dtype=dtype, may_be_missing=missing) for n in range(oracle.n_features)]
    signature = Signature(features=tuple(features), classes=oracle.classes)
    model = build(oracle, "forest", dtype)
    session, known = Session(model, signature), splits(model)
    kinds = {"data": X} | attack(survey(signature, known, X), known, 500)
    for kind, rows in kinds.items():
        labels, probabilities = session.answers(session.feed(rows))
        assert labels.tolist() == oracle.labels(rows).tolist(), kind
        assert probabilities.dtype == np.float64
        assert np.array_equal(probabilities, oracle.probabilities(rows)), kind
    return kinds


@settings(max_examples=25)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    classes=st.integers(1, 4),
    depth=st.integers(1, 6) | st.none(),
    text=st.booleans(),
    missing=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_forest(
    kind: Any, seed: int, classes: int, depth: int | None, text: bool, missing: bool, dtype: Dtype
) -> None:
    """Random small forests agree to the last bit, whatever depth, labels, dtype and missing values."""
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(60, 3)).round(1), random.integers(0, classes, 60)
    if missing:
        X[random.random(X.shape) < 0.2] = np.nan
    labels = np.array([f"class {number}" for number in range(classes)])[y] if text else y
    estimator = kind(max_depth=depth, random_state=seed)
    if hasattr(estimator, "n_estimators"):
        estimator.set_params(n_estimators=7)
    hold(estimator.fit(X, labels), X, dtype, missing)


def test_vote_ties() -> None:
    """Rows on which half the trees vote for each class get scikit-learn's label; there are such rows."""
    random = np.random.default_rng(1)
    X, y = random.normal(size=(200, 2)), random.integers(0, 2, 200)
    forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    oracle = Oracle(forest)
    rows = random.normal(size=(5_000, 2))
    votes = oracle.probabilities(rows)
    tied = rows[votes[:, 0] == votes[:, 1]]
    assert len(tied) > 20
    hold(forest, tied, "float32")


def test_learned_way_of_missing_values() -> None:
    """A missing value goes the way that was learned at each split, left or right."""
    X = np.array([[1.0], [2.0], [3.0], [np.nan]] * 10)
    for way, y in (("left", [0, 0, 1, 0] * 10), ("right", [0, 0, 1, 1] * 10)):
        tree = DecisionTreeClassifier(random_state=0).fit(X, y)
        assert tree.tree_.missing_go_to_left[0] == (way == "left")
        assert "missing" in hold(tree, X, "float32", missing=True)


def test_a_tree_without_splits() -> None:
    """A tree that is one leaf still gives its class frequencies."""
    X = np.zeros((4, 2))
    hold(DecisionTreeClassifier().fit(X, [0, 1, 1, 2]), X, "float32")


@pytest.mark.parametrize("text", [False, True])
def test_behind_a_scaler(text: bool) -> None:
    """A forest inside a pipeline is exact as well, when rows arrive in float64."""
    random = np.random.default_rng(2)
    X, y = random.normal(size=(100, 3)), random.integers(0, 3, 100)
    labels = np.array(["a", "b", "c"])[y] if text else y
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(9, max_depth=4, random_state=0))
    kinds = hold(pipeline.fit(X, labels), X, "float64")
    assert "thresholds" not in kinds  # those of the forest are no values of the input
