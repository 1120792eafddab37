"""The thresholds that are verified are read back from the graph that will be served."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.errors import ParityError
from convert.graphs.graph import build
from convert.oracle import Oracle
from convert.plain import plain
from convert.proving.interrogation import interrogate
from convert.proving.parity import Comparison
from convert.proving.splits import SLACK_ULP, Found, splits
from registry.manifest import Bound, Card
from server.session import Session

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
    assert len(found.splits) <= 2 * (2 * SLACK_ULP + 1) * len(own(tree))
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


def test_of_the_older_operator(tree: DecisionTreeClassifier) -> None:
    """Graphs of the converters' own have it; a feature that counts for nothing has no thresholds."""
    content = plain(tree, 4)
    rounded = sorted({(feature, float(np.float32(threshold))) for feature, threshold in own(tree)})
    found = splits(content)
    assert found.complete
    assert [feature for feature, _ in found.splits] == [feature for feature, _ in rounded]
    assert np.allclose(found.splits, rounded, rtol=1e-6)
    model = onnx.load_from_string(content)
    for node in model.graph.node:
        node.input[:] = ["weighed" if name == "input" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Mul", ["input", "weights"], ["weighed"]))
    weights = np.array([1, 1, 0, 1], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    left = splits(model.SerializeToString())
    assert left == Found([split for split in found.splits if split[0] != 2], True)


@pytest.mark.parametrize("off", [1e-14, 1e-12, 1e-9])
def test_a_scaler_that_is_slightly_off_is_found(off: float, make_card: MakeCard) -> None:
    """Behind a scaler and a rounding to float32, rows stand where the graph changes its mind: one that
    divides by a little too much is refused, however little that is."""
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(X, y)
    oracle, signature = Oracle(pipeline), make_card(4, 3, "float64").signature
    model = onnx.load_from_string(build(oracle, "m", signature))
    divisor = next(node for node in model.graph.node if node.op_type == "Div").input[1]
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == divisor)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * (1 + off), divisor))
    wrong = model.SerializeToString()
    judged = interrogate(oracle, signature, wrong, X, 1_000, lambda _: None)
    comparison = Comparison(oracle, Session(wrong, signature), (0, 1, 2), Bound())
    with pytest.raises(ParityError, match="rows of kind 'thresholds'"):
        comparison.run(judged, lambda _: None)
