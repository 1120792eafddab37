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

from convert.coding import Coding
from convert.errors import ParityError
from convert.graphs.graph import build
from convert.oracle import Oracle
from convert.proving.adversary import attack, survey
from convert.proving.goldenrows import GOLDEN_ROWS, golden
from convert.proving.parity import Compared, Comparison, Judged, judge
from convert.proving.splits import splits
from registry.manifest import Bound, Card, Parity, ParityRows
from server.session import Session

MakeCard = Callable[..., Card]
Check = Callable[..., Parity]
EXACT, CLOSE = Bound(), Bound(absolute=1e-6)

SIGNATURE_ARGS = (4, ("setosa", "versicolor", "virginica"), "float32")


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def judged(tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard) -> list[Judged]:
    """Right answers on every kind of row."""
    signature = make_card(*SIGNATURE_ARGS).signature
    known = splits(build(Oracle(tree), "t", signature)).splits
    ground = survey(signature, known, iris.X, Oracle(tree).coding)
    return judge(Oracle(tree), {"data": iris.X} | attack(ground, known, 2_000), silent)


@pytest.fixture
def check(tree: DecisionTreeClassifier, judged: list[Judged], make_card: MakeCard) -> Check:
    """Compare a graph with the tree."""
    signature = make_card(*SIGNATURE_ARGS).signature

    def run(model: bytes, bound: Bound, insist: bool = False) -> Parity:
        comparison = Comparison(Oracle(tree), Session(model, signature), signature.classes, bound)
        return comparison.run(judged, silent, insist)[0]

    return run


@pytest.fixture
def graph(tree: DecisionTreeClassifier, make_card: MakeCard) -> bytes:
    """The tree's graph."""
    return build(Oracle(tree), "t", make_card(*SIGNATURE_ARGS).signature)


def tampered(graph: bytes, change: Callable[[ModelProto], None]) -> bytes:
    """The graph with something changed in it."""
    model = onnx.load_from_string(graph)
    change(model)
    content: bytes = model.SerializeToString()
    return content


def edit(model: ModelProto, attribute: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Change a tensor of the tree."""
    for node in model.graph.node:
        for item in node.attribute:
            if item.name == attribute:
                item.t.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(item.t).copy())))


def test_a_faithful_graph_passes(graph: bytes, check: Check, judged: list[Judged]) -> None:
    """The unchanged graph passes with no error at all, and every kind is in the record."""
    parity = check(graph, EXACT)
    assert [kind.kind for kind in parity.kinds] == [part.kind for part in judged]
    assert {(kind.label_mismatches, kind.max_ulp, kind.max_abs_error) for kind in parity.kinds} == {(0, 0, 0)}
    assert {kind.worst for kind in parity.kinds} == {None}
    assert (parity.bound, parity.inexact, parity.rows_changed) == (EXACT, "", 0)
    assert parity.rows_alone >= 64
    assert parity.oracle.endswith("DecisionTreeClassifier")


def test_a_threshold_off_by_one_ulp_is_found(graph: bytes, check: Check) -> None:
    """A threshold moved to the next float32 is caught by the rows beside thresholds, worst row and all."""

    def shift(model: ModelProto) -> None:
        edit(model, "nodes_splits", lambda t: np.nextafter(t.astype(np.float32), np.float32(9)).astype(float))

    found = r"rows of kind 'thresholds' .* worst row \[.*\]: expected \['\w+', .*\], got \['\w+', .*\]"
    with pytest.raises(ParityError, match=found):
        check(tampered(graph, shift), CLOSE)


def test_a_wrong_order_of_classes_is_found(graph: bytes, check: Check) -> None:
    """A graph that numbers the classes otherwise is refused on the data already."""

    def swap(model: ModelProto) -> None:
        for node in model.graph.node:
            for item in node.attribute:
                if item.name == "leaf_targetids":
                    item.ints[:] = [(2 - target) for target in item.ints]

    with pytest.raises(
        ParityError, match=r"not published: .* of 150 rows of kind 'data' .* 102 labels differ"
    ):
        check(tampered(graph, swap), CLOSE)


def test_whoever_insists_gets_the_truth_in_writing(graph: bytes, check: Check) -> None:
    """With ``insist`` a wrong graph passes, and its record says how wrong it is and what bound it holds."""

    def bend(model: ModelProto) -> None:
        edit(model, "leaf_weights", lambda weights: weights * 0.75)

    parity = check(tampered(graph, bend), CLOSE, insist=True)
    assert parity.inexact.startswith("150 of 150 rows of kind 'data' are answered otherwise")
    assert parity.bound == Bound(absolute=0.25)
    assert parity.kinds[0].worst is not None
    assert parity.kinds[0].max_abs_error == 0.25


@pytest.mark.parametrize(("off", "bound"), [(1e-3, CLOSE), (1e-15, EXACT), (np.nan, CLOSE)])
def test_a_probability_beyond_the_bound_is_found(
    graph: bytes, check: Check, off: float, bound: Bound
) -> None:
    """Right labels are not enough: a probability off by more than the bound, or NaN, is refused."""

    def bend(model: ModelProto) -> None:
        model.graph.node[-1].input[0] = "exact"
        model.graph.node[-2].output[0] = "exact"
        model.graph.initializer.append(numpy_helper.from_array(np.array(off), "off"))
        model.graph.node.append(helper.make_node("Add", ["exact", "off"], ["probabilities"]))

    with pytest.raises(
        ParityError, match=r"not published: 150 of 150 .* 0 labels differ, numbers are off by up to"
    ):
        check(tampered(graph, bend), bound)


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
        Comparison(oracle, session, (0, 1), EXACT).run([right], silent)


NOT_ASKED = np.empty(0, np.bool_)


def compared(part: Judged) -> Compared:
    """As if every row had been answered rightly."""
    figures = ParityRows(kind=part.kind, rows=len(part.rows), label_mismatches=0, max_ulp=0, max_abs_error=0)
    return Compared(part, figures, np.ones(len(part.rows), np.bool_), NOT_ASKED, "")


def test_golden_rows(judged: list[Judged]) -> None:
    """At most 256 rows, of every kind, always the same, with the trainer's own answers."""
    found, coding = [compared(part) for part in judged], Coding(("a", "b", "c", "d"))
    rows = golden(found, ("a", "b", "c"), coding)
    assert rows == golden(found, ("a", "b", "c"), coding)
    assert len(rows.labels) <= GOLDEN_ROWS
    assert set(rows.kinds) == {part.kind for part in judged}
    first = judged[0]
    index = first.rows.tolist().index(list(rows.inputs[0]))
    assert rows.labels[0] == "abc"[first.labels[index]]
    assert list(rows.probabilities[0]) == first.numbers[index].tolist()


def test_golden_rows_of_a_regression() -> None:
    """Values take the place of labels. What JSON cannot hold, or was right by its margin, is left out."""
    rows = np.array([[1.0], [np.inf], [2.0], [3.0]])
    part = Judged("data", rows, np.empty(0, np.int64), np.array([[7.0], [8.0], [np.nan], [9.0]]))
    figures = ParityRows(kind="data", rows=4, label_mismatches=0, max_ulp=0, max_abs_error=0)
    sound = np.array([True, True, True, False])
    found = golden([Compared(part, figures, sound, NOT_ASKED, "")], (), Coding(("a",)))
    assert (found.inputs, found.values, found.labels) == (((1.0,),), (7.0,), ())


def test_golden_rows_hold_strings_and_missing_values() -> None:
    """A missing value is None in the golden rows, as JSON null is; a string is itself."""
    part = Judged("missing", np.array([[1.0, np.nan]]), np.array([0]), np.array([[1.0]]))
    found = golden([compared(part)], ("a",), Coding(("s", "x"), {0: ("red", "green")}))
    assert found.inputs == (("green", None),)


def test_golden_rows_of_whoever_insists() -> None:
    """Where no row is sound those with the right label are taken; where there is none either, nothing is."""
    part = Judged("data", np.array([[1.0], [2.0]]), np.array([0, 1]), np.array([[0.7, 0.3], [0.2, 0.8]]))
    figures = ParityRows(kind="data", rows=2, label_mismatches=1, max_ulp=9, max_abs_error=0.5)
    none, near = np.zeros(2, np.bool_), np.array([False, True])
    found = golden([Compared(part, figures, none, near, "a fault")], ("a", "b"), Coding(("x",)))
    assert (found.inputs, found.labels) == (((2.0,),), ("b",))
    with pytest.raises(ParityError, match="not one row is answered as by the trained model"):
        golden([Compared(part, figures, none, none, "a fault")], ("a", "b"), Coding(("x",)))
