"""Trees as the explanation walks them, against onnxruntime and against scikit-learn's own paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRegressor

from convert.graphs.ensemble import AT_MOST, BELOW, COVERS, EQUAL, Ensemble, Tree
from convert.graphs.families.trees import rounded_down
from registry.covers import PREFIX
from registry.manifest import Feature, Signature
from server.errors import NotExplainable
from server.explanation import forest as trees
from server.explanation.forest import Forest
from server.explanation.graph import Node, read
from server.explanation.wire import Malformed
from server.session import Session
from tests.convert.proof import around, punched
from tests.server.explanation.asked import (
    DIABETES,
    IRIS,
    PROGRESS,
    SPECIES,
    Matrix,
    asked,
    changed,
    graph_of,
)

STUMP = Tree(
    feature=np.array([0, 0, 1, 0, 0]),
    threshold=np.array([0.3, 0, 1.0, 0, 0]),
    left=np.array([1, -1, 3, -1, -1]),
    right=np.array([2, -1, 4, -1, -1]),
    missing_left=np.array([False, False, True, False, False]),
    values=np.array([[0], [1.5], [0], [-2.25], [8]]),
    cover=np.array([10.0, 4, 6, 1, 5]),
)


def homemade(ensemble: Ensemble, dtype: str = "float64") -> tuple[Forest, Session]:
    """An ensemble of two columns, and onnxruntime on the very same operator."""
    attributes = ensemble.attributes()
    text = attributes.pop(COVERS, None)
    node = helper.make_node("TreeEnsemble", ["input"], ["value"], "trees", domain="ai.onnx.ml", **attributes)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("input", kind, [None, 2])],
        [helper.make_tensor_value_info("value", kind, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    features = tuple(Feature(name=name, dtype=dtype, may_be_missing=True) for name in "ab")  # type: ignore[arg-type]
    return Forest(read(content).nodes[0], text), Session(content, Signature(features=features))


def served(forest: Forest, row: NDArray[Any]) -> float:
    return float(forest.sums(forest.reached(forest.answers(row)))[0])


@pytest.mark.parametrize("mode", [AT_MOST, BELOW, EQUAL])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_comparison_is_that_of_onnxruntime(mode: int, dtype: Any) -> None:
    """On thresholds, one unit beside them, missing, infinite, minus zero: the same leaf, to the bit."""
    tree = STUMP.__class__(**{**vars(STUMP), "mode": mode, "threshold": STUMP.threshold.astype(dtype)})
    ensemble = Ensemble(1, dtype)
    ensemble.constant(0, 0.1)
    ensemble.add(tree)
    ensemble.add(tree, 0)
    forest, session = homemade(ensemble, np.dtype(dtype).name)
    values = []
    for threshold in tree.threshold[[0, 2]]:
        values += [threshold, np.nextafter(threshold, dtype(-9)), np.nextafter(threshold, dtype(9))]
    values += [np.nan, np.inf, -np.inf, dtype(-0.0), dtype(0.0)]
    rows = np.array([(a, b) for a in values for b in values], dtype)
    expected = session.values(session.feed(rows))
    assert [served(forest, row) for row in rows] == expected.tolist()
    assert len(set(expected.tolist())) == 3


@pytest.mark.parametrize("missing", [False, True])
def test_sums_are_those_of_onnxruntime(missing: bool) -> None:
    """A real forest, beside every threshold and with holes: every output, to the bit, and the way there."""
    rng = np.random.default_rng(0)
    table = punched(IRIS) if missing else IRIS
    model = RandomForestClassifier(7, max_depth=4, random_state=0).fit(table, SPECIES, rng.uniform(1, 2, 150))
    found = asked(model)
    rows = around(model, IRIS, 100)
    rows = np.concatenate([rows, punched(rows, seed=1)]) if missing else rows
    _, expected = found.session.answers(found.session.feed(rows))
    forest = found.explainer.forest
    assert forest is not None
    single = rows.astype(np.float32).astype(np.float64)
    sums = np.array([forest.sums(forest.reached(forest.answers(row))) for row in single])
    assert (sums / 7 == expected).all()
    assert len(forest.copies) == 7


def test_float32_sums_are_those_of_onnxruntime() -> None:
    """One rounding per tree, in the order of the trees: the served value itself."""
    found = asked(XGBRegressor(n_estimators=60, max_depth=4, n_jobs=1).fit(punched(DIABETES), PROGRESS))
    rows = punched(around_box(DIABETES), seed=1)
    served = found.session.values(found.session.feed(rows)).tolist()
    assert [float(found.explain(row).sums[0]) for row in rows] == served


def around_box(table: Matrix) -> Matrix:
    """Rows in and beside the data's box."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [table[::9], rng.uniform(table.min() * 1.5, table.max() * 1.5, (50, table.shape[1]))]
    )


@pytest.mark.parametrize("depth", [3, 5])
def test_paths_are_those_of_the_trainer(depth: int) -> None:
    """Split by split: feature, threshold and side, of scikit-learn's ``decision_path``; also where all leaves
    are pure, and the graph counts votes by thresholds that are rounded down."""
    model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(IRIS, SPECIES)
    forest = asked(model).explainer.forest
    assert forest is not None
    rows = around(model, IRIS, 50)
    indicator = model.decision_path(rows.astype(np.float32))
    for number, row in enumerate(rows):
        single = row.astype(np.float32)
        nodes = indicator.indices[indicator.indptr[number] : indicator.indptr[number + 1]][:-1]
        mine = forest.path(0, forest.answers(single.astype(np.float64)))
        assert forest.feature[mine].tolist() == model.tree_.feature[nodes].tolist()
        thresholds = model.tree_.threshold[nodes]
        thresholds = rounded_down(thresholds) if forest.threshold.dtype == np.float32 else thresholds
        assert forest.threshold[mine].tolist() == thresholds.tolist()


def test_constants_are_told() -> None:
    """A constant is written as a split with two equal leaves; a stump is none."""
    ensemble = Ensemble(1)
    ensemble.constant(0, 2.0)
    ensemble.add(STUMP, 0)
    forest, _ = homemade(ensemble)
    assert [forest.trivial(root) for root in range(2)] == [True, False]
    assert forest.cover is not None
    assert forest.cover.tolist() == [2, 10, 6, 1, 1, 4, 1, 5]


def ints(name: str, values: list[int]) -> Any:
    def change(proto: onnx.ModelProto) -> None:
        for attribute in proto.graph.node[0].attribute:
            if attribute.name == name:
                del attribute.ints[:]
                attribute.ints.extend(values)

    return change


def tensor(name: str, values: Matrix | NDArray[Any]) -> Any:
    def change(proto: onnx.ModelProto) -> None:
        for attribute in proto.graph.node[0].attribute:
            if attribute.name == name:
                attribute.t.CopyFrom(numpy_helper.from_array(values))

    return change


def dropped(name: str) -> Any:
    def change(proto: onnx.ModelProto) -> None:
        for attribute in list(proto.graph.node[0].attribute):
            if attribute.name == name:
                proto.graph.node[0].attribute.remove(attribute)

    return change


def covers(text: str) -> Any:
    def change(proto: onnx.ModelProto) -> None:
        proto.metadata_props[0].value = text

    return change


def put(name: str, value: int) -> Any:
    def change(proto: onnx.ModelProto) -> None:
        for attribute in proto.graph.node[0].attribute:
            if attribute.name == name:
                attribute.i = value

    return change


THREE = np.zeros(3)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (dropped("nodes_splits"), "no list of numbers"),
        (dropped("leaf_targetids"), "do not fit"),
        (tensor("nodes_splits", THREE), "do not fit"),
        (tensor("leaf_weights", THREE.astype(np.float32)), "do not fit"),
        (ints("leaf_targetids", [0, 0, 9]), "do not fit"),
        (ints("leaf_targetids", [0, 0, -1]), "do not fit"),
        (ints("nodes_featureids", [-1, 1]), "do not fit"),
        (tensor("nodes_splits", np.array([[1.0, 2.0]])), "no list of numbers"),
        (ints("nodes_falsenodeids", [5, 2]), "not there"),
        (ints("nodes_falsenodeids", [0, 2]), "hang together"),
        (ints("nodes_truenodeids", [1, 1]), "hang together"),
        (ints("tree_roots", [1]), "hang together"),
        (ints("tree_roots", [-1]), "not there"),
        (ints("tree_roots", [2]), "not there"),
        (covers("1 2"), "other trees"),
        (covers("1 2 3;4 5"), "other trees"),
        (covers("a b c"), "no numbers"),
    ],
)
def test_trees_that_contradict_themselves_are_refused(change: Any, why: str) -> None:
    """Each of them, before anything walks them."""
    model, _ = graph_of(DecisionTreeClassifier(max_depth=2, random_state=0).fit(IRIS[:, :2], SPECIES > 0))
    proto = read(changed(model, rewritten))
    good = proto.nodes[0]
    Forest(good, proto.metadata[PREFIX + good.name])
    bad = read(changed(changed(model, rewritten), change))
    with pytest.raises(Malformed, match=why):
        Forest(bad.nodes[0], bad.metadata[PREFIX + good.name])


def rewritten(proto: onnx.ModelProto) -> None:
    """The stump in the place of the first node."""
    ensemble = Ensemble(1)
    ensemble.add(STUMP)
    attributes = ensemble.attributes()
    text = attributes.pop(COVERS)
    node = helper.make_node("TreeEnsemble", ["input"], ["value"], "trees", domain="ai.onnx.ml", **attributes)
    del proto.graph.node[:]
    proto.graph.node.append(node)
    del proto.metadata_props[:]
    proto.metadata_props.add(key=f"{PREFIX}trees", value=text)


def stump() -> Node:
    """As it is read."""
    model, _ = graph_of(DecisionTreeClassifier(max_depth=2).fit(IRIS, SPECIES))
    return read(changed(model, rewritten)).nodes[0]


def test_nodes_in_a_circle_are_refused() -> None:
    """Each of them is somebody's child, and yet no root leads there."""
    given = stump().attributes
    for name, more in (
        ("nodes_featureids", [0, 0]),
        ("nodes_modes", [0, 0]),
        ("nodes_splits", [0.0, 0.0]),
        ("nodes_truenodeids", [3, 2]),
        ("nodes_falsenodeids", [3, 4]),
        ("nodes_trueleafs", [0, 0]),
        ("nodes_falseleafs", [1, 1]),
        ("leaf_targetids", [0, 0]),
        ("leaf_weights", [1.0, 1.0]),
        ("nodes_missing_value_tracks_true", [0, 0]),
    ):
        given[name] = np.concatenate([given[name], np.array(more, given[name].dtype)])
    with pytest.raises(Malformed, match="circle"):
        Forest(stump()._replace(attributes=given), None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"aggregate_function": 0}, "not added up"),
        ({"post_transform": 1}, "not added up"),
        ({"nodes_modes": np.array([6, 0], np.uint8)}, "membership"),
    ],
)
def test_what_is_not_explained_is_refused(change: dict[str, Any], why: str) -> None:
    """Means of trees, links inside the operator, sets."""
    node = stump()
    with pytest.raises(NotExplainable, match=why):
        Forest(node._replace(attributes={**node.attributes, **change}), None)


def test_attributes_of_another_type_are_refused() -> None:
    """A number where a list is expected."""
    node = stump()
    with pytest.raises(Malformed, match="no list of integers"):
        Forest(node._replace(attributes={**node.attributes, "tree_roots": 0}), None)


def test_a_tree_that_is_too_deep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few its nodes are."""
    monkeypatch.setattr(trees, "MAX_DEPTH", 1)
    with pytest.raises(NotExplainable, match="more than 1 splits"):
        Forest(stump(), None)
