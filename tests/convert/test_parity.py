"""The proof can fail: every planted fault is found, named, and stops the publication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from sklearn.tree import DecisionTreeClassifier

from convert.adversary import attack, survey
from convert.errors import ParityError
from convert.graph import build
from convert.oracle import Oracle
from convert.parity import GOLDEN_ROWS, Judged, compare, golden, judge
from convert.splits import splits
from registry.manifest import Card, Parity
from server.session import Session

MakeCard = Callable[..., Card]
Check = Callable[[bytes, float], Parity]

SIGNATURE_ARGS = (4, ("setosa", "versicolor", "virginica"), "float32")


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def judged(tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard) -> list[Judged]:
    """Right answers on every kind of row."""
    known = splits(build(Oracle(tree), "t", "float32"))
    ground = survey(make_card(*SIGNATURE_ARGS).signature, known, iris.X)
    return judge(Oracle(tree), {"data": iris.X} | attack(ground, known, 2_000), silent)


@pytest.fixture
def check(tree: DecisionTreeClassifier, judged: list[Judged], make_card: MakeCard) -> Check:
    """Compare a graph with the tree."""
    signature = make_card(*SIGNATURE_ARGS).signature
    return lambda model, bound: compare(Oracle(tree), Session(model, signature), judged, bound, silent)


def tampered(tree: DecisionTreeClassifier, change: Callable[[ModelProto], None]) -> bytes:
    """The tree's graph with something changed in it."""
    model = onnx.load_from_string(build(Oracle(tree), "t", "float32"))
    change(model)
    content: bytes = model.SerializeToString()
    return content


def edit(model: ModelProto, attribute: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Change a tensor of the tree."""
    for node in model.graph.node:
        for item in node.attribute:
            if item.name == attribute:
                item.t.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(item.t).copy())))


def test_a_faithful_graph_passes(tree: DecisionTreeClassifier, check: Check, judged: list[Judged]) -> None:
    """The unchanged graph passes with no error at all, and every kind is in the record."""
    parity = check(build(Oracle(tree), "t", "float32"), 0.0)
    assert [kind.kind for kind in parity.kinds] == [part.kind for part in judged]
    assert {(kind.label_mismatches, kind.max_abs_error) for kind in parity.kinds} == {(0, 0.0)}
    assert parity.oracle.endswith("DecisionTreeClassifier")


def test_a_threshold_off_by_one_ulp_is_found(tree: DecisionTreeClassifier, check: Check) -> None:
    """A threshold moved to the next float32 is caught by the rows beside thresholds, worst row and all."""

    def shift(model: ModelProto) -> None:
        edit(model, "nodes_splits", lambda t: np.nextafter(t.astype(np.float32), np.float32(9)).astype(float))

    found = r"on rows of kind 'thresholds'; worst row \[.*\]: expected class \d \[.*\], got class \d \[.*\]"
    with pytest.raises(ParityError, match=found):
        check(tampered(tree, shift), 1e-6)


def test_a_wrong_order_of_classes_is_found(tree: DecisionTreeClassifier, check: Check) -> None:
    """A graph that numbers the classes otherwise is refused on the data already."""

    def swap(model: ModelProto) -> None:
        for node in model.graph.node:
            for item in node.attribute:
                if item.name == "leaf_targetids":
                    item.ints[:] = [(2 - target) for target in item.ints]

    with pytest.raises(ParityError, match=r"not published: 102 of 150 labels differ .* of kind 'data'"):
        check(tampered(tree, swap), 1e-6)


@pytest.mark.parametrize(("off", "bound"), [(1e-3, 1e-6), (1e-15, 0.0), (np.nan, 1e-6)])
def test_a_probability_beyond_the_bound_is_found(
    tree: DecisionTreeClassifier, check: Check, off: float, bound: float
) -> None:
    """Right labels are not enough: a probability off by more than the bound, or NaN, is refused."""

    def bend(model: ModelProto) -> None:
        model.graph.node[-1].input[0] = "exact"
        model.graph.node[-2].output[0] = "exact"
        model.graph.initializer.append(numpy_helper.from_array(np.array(off), "off"))
        model.graph.node.append(helper.make_node("Add", ["exact", "off"], ["probabilities"]))

    with pytest.raises(
        ParityError, match="not published: 0 of 150 labels differ and probabilities are off by up to"
    ):
        check(tampered(tree, bend), bound)


def test_a_row_that_minds_its_neighbours_is_found(make_card: MakeCard) -> None:
    """A graph whose answer depends on the rest of the batch is refused, even when the batch was right."""
    mean = helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=1, axes=[0])
    nodes = [
        mean,
        helper.make_node("Sub", ["input", "mean"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, 2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = Session(model.SerializeToString(), make_card(2, 2, "float64").signature)
    rows = np.array([[1.0, 2.0], [5.0, 3.0]])
    right = Judged("data", rows, np.array([1, 0]), rows - rows.mean(axis=0))
    oracle = Oracle(DecisionTreeClassifier().fit(rows, [0, 1]))
    with pytest.raises(ParityError, match=r"alone and .* in a batch of 2"):
        compare(oracle, session, [right], 0.0, silent)


def test_golden_rows(judged: list[Judged]) -> None:
    """At most 256 rows, of every kind, always the same, with the trainer's own answers."""
    rows = golden(judged, ("a", "b", "c"))
    assert rows == golden(judged, ("a", "b", "c"))
    assert len(rows.labels) <= GOLDEN_ROWS
    assert set(rows.kinds) == {part.kind for part in judged}
    first = judged[0]
    index = first.rows.tolist().index(list(rows.inputs[0]))
    assert rows.labels[0] == "abc"[first.labels[index]]
    assert list(rows.probabilities[0]) == first.probabilities[index].tolist()


def test_golden_rows_write_missing_as_none() -> None:
    """A missing value is None in the golden rows, as JSON null is."""
    part = Judged("missing", np.array([[1.0, np.nan]]), np.array([0]), np.array([[1.0]]))
    assert golden([part], ("a",)).inputs == ((1.0, None),)
