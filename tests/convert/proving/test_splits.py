"""The thresholds that are verified are read back from the graph that will be served."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.graphs.graph import build
from convert.oracle import Oracle
from convert.proving.splits import SLACK_ULP, Found, splits
from registry.manifest import Card

MakeCard = Callable[..., Card]
X, y = load_iris(return_X_y=True)


@pytest.fixture
def find(make_card: MakeCard) -> Callable[[Any], Found]:
    """Splits of a fitted estimator of iris."""

    def found(estimator: Any) -> Found:
        return splits(build(Oracle(estimator), "m", make_card(4, 3, "float64").signature))

    return found


def own(tree: DecisionTreeClassifier) -> list[tuple[int, float]]:
    """Splits as the tree itself has them."""
    inner = tree.tree_
    pairs = zip(inner.feature, inner.threshold, strict=True)
    return sorted({(int(feature), float(threshold)) for feature, threshold in pairs if feature >= 0})


def test_of_a_tree(tree: DecisionTreeClassifier, find: Callable[[Any], Found]) -> None:
    """The splits found in a tree's graph are the splits that the tree has."""
    assert find(tree) == Found(own(tree), True)


def test_of_boosted_trees(find: Callable[[Any], Found]) -> None:
    """The splits found in xgboost's graph are those of its own dump."""
    boosted = XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1).fit(X, y)
    text = "".join(boosted.get_booster().get_dump())
    dumped = {(int(f), float(np.float32(t))) for f, t in re.findall(r"\[f(\d+)<([^\]]+)\]", text)}
    assert find(boosted).splits == sorted(dumped)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=["standard", "minmax"])
def test_behind_a_scaler_they_are_calculated_back(scaler: Any, find: Callable[[Any], Found]) -> None:
    """Around each value found, a few ulp to one side or the other, the trainer's own answer changes."""
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    pipeline = make_pipeline(scaler, tree).fit(X, y)
    found = find(pipeline)
    assert found.complete
    assert len(found.splits) == (2 * SLACK_ULP + 1) * len(own(tree))
    for feature, threshold in own(tree):
        values = [value for number, value in found.splits if number == feature]
        rows = np.zeros((len(values), 4))
        rows[:, feature] = values
        scaled = scaler.transform(rows).astype(np.float32)[:, feature]
        assert abs(scaled - threshold).min() < 1e-6


def test_of_some_columns(find: Callable[[Any], Found]) -> None:
    """A tree that sees columns 3 and 1 has its splits told under these numbers."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    chosen = ColumnTransformer([("keep", "passthrough", [3, 1])])
    pipeline = make_pipeline(chosen, tree).fit(X, y)
    assert find(pipeline) == Found(sorted(((3, 1)[f], t) for f, t in own(tree)), True)


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(PCA(2), DecisionTreeClassifier(max_depth=2)), LogisticRegression(max_iter=1_000)],
    ids=["mixed", "smooth"],
)
def test_what_cannot_be_told_is_said(estimator: Any, find: Callable[[Any], Found]) -> None:
    """Splits on mixtures of features are no values of the input, and a model without trees has none."""
    assert find(estimator.fit(X, y)) == Found([], False)
