"""ONNX files are taken on as they are, and held to recorded answers."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from convert.errors import SourceError
from convert.graphs.registration import DOUBLED, SINGLE
from convert.sources.carding import card_from_data
from convert.sources.imported import Recorded, read_onnx
from convert.sources.table import Table, read
from server.session import Session, within

X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
HEADER = ["a", "b", "c", "d"]
CONVERT = """
import sys, joblib, skl2onnx
for number, (fitted, row, zipmap) in enumerate(joblib.load(sys.argv[1])):
    options = {id(fitted): {"zipmap": zipmap}} if zipmap is not None else None
    graph = skl2onnx.to_onnx(fitted, row, options=options, target_opset=15)
    open(f"{sys.argv[1]}{number}", "wb").write(graph.SerializeToString())
"""
"""In a process of its own: in this one, the house's builders stand where skl2onnx's converters were."""
Order = tuple[Any, Any, bool | None]
KINDS = {"tree": DecisionTreeClassifier(max_depth=3), "bayes": GaussianNB()}
LABELS = {"strings": NAMES[y], "indices": y, "integers": 3 * y + 5}


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Any, ...], tuple[Any, bytes]]:
    """Fitted estimators with what skl2onnx makes of them, by what they are."""
    wanted: dict[tuple[Any, ...], Order] = {}
    for kind, estimator in KINDS.items():
        for name, labels in LABELS.items():
            for zipmap in (True, False):
                fitted = clone(estimator).fit(X, labels)
                wanted[kind, name, zipmap] = (fitted, X[:1].astype(np.float32), zipmap)
    wanted["doubles",] = (DecisionTreeClassifier(max_depth=2).fit(X, y), X[:1], True)
    for dtype in (np.float32, np.float64):
        wanted["linear", dtype] = (LinearRegression().fit(X, y), X[:1].astype(dtype), None)
    path = tmp_path_factory.mktemp("foreign") / "orders"
    joblib.dump(list(wanted.values()), path)
    subprocess.run([sys.executable, "-c", CONVERT, str(path)], check=True)
    graphs = [Path(f"{path}{number}").read_bytes() for number in range(len(wanted))]
    return {key: (wanted[key][0], graph) for key, graph in zip(wanted, graphs, strict=True)}


def write(folder: Path, header: list[str], *columns: Any) -> Table:
    """Columns as CSV, read back."""
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *zip(*columns, strict=True)])
    return read(folder / "rows.csv")


def served(recorded: Recorded, table: Table, classes: list[str] | None = None) -> tuple[int, int]:
    """Labels and numbers in which the graph differs from what is recorded, in a session that serves it."""
    signature = card_from_data(recorded, table, classes=classes).signature
    session = Session(recorded.model, signature)
    given = session.answers(session.feed(recorded.coding.rows(recorded.rows)))
    numbers = within(given.numbers, recorded.numbers(recorded.rows), recorded.bound)
    return int((given.labels != recorded.labels(recorded.rows)).sum()), int((~numbers).sum())


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_classifiers(foreign: Any, kind: str, labels: str, zipmap: bool, tmp_path: Path) -> None:
    """Labels of any kind become indices, dictionaries a matrix, and the answers stay what they were."""
    fitted, graph = foreign[kind, labels, zipmap]
    answers = fitted.predict_proba(X.astype(np.float32)).astype(np.float32)
    header = [*HEADER, "answer", *(f"probability_{label}" for label in fitted.classes_)]
    table = write(tmp_path, header, *X.T.tolist(), fitted.predict(X.astype(np.float32)), *answers.T.tolist())
    recorded = read_onnx(graph, table)
    assert recorded.classes == tuple(fitted.classes_.tolist())
    assert recorded.names == tuple(HEADER)
    assert recorded.bound == SINGLE
    assert recorded.has_probabilities
    wrong, apart = served(recorded, table)
    assert wrong == 0
    assert apart == 0 or kind == "bayes"  # whose float32 graph is not scikit-learn
    assert recorded.model == read_onnx(graph, table).model


def test_the_card(foreign: Any, tmp_path: Path) -> None:
    """The card has the graph's dtypes and, with other names for the classes, these."""
    fitted, graph = foreign["doubles",]
    table = write(tmp_path, [*HEADER, "answer"], *X.T.tolist(), NAMES[fitted.predict(X)])
    recorded = read_onnx(graph, table, "answer", NAMES.tolist())
    card = card_from_data(recorded, table, None, NAMES.tolist())
    assert card.signature.classes == tuple(NAMES)
    assert recorded.classes == (0, 1, 2)
    assert {feature.dtype for feature in card.signature.features} == {"float64"}
    assert not card.signature.probabilities  # none are recorded, so none are served
    assert card.metrics == ()
    assert card.description.startswith("an ONNX file, made by skl2onnx ")
    assert card.description.endswith(": its answers recorded in rows.csv")
    assert served(recorded, table, NAMES.tolist()) == (0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regressions(foreign: Any, dtype: type, tmp_path: Path) -> None:
    """The value comes back under its name, in its own precision."""
    fitted, graph = foreign["linear", dtype]
    values = X.astype(dtype) @ fitted.coef_.astype(dtype) + dtype(fitted.intercept_)
    table = write(tmp_path, [*HEADER, "value"], *X.T.tolist(), values.tolist())
    recorded = read_onnx(graph, table)
    assert (recorded.task, recorded.classes) == ("regression", ())
    assert recorded.bound == (SINGLE if dtype is np.float32 else DOUBLED)
    assert recorded.labels(recorded.rows).shape == (0,)
    session = Session(recorded.model, card_from_data(recorded, table).signature)
    given = session.answers(session.feed(recorded.rows)).numbers
    assert given.dtype == dtype
    assert np.allclose(given, recorded.numbers(recorded.rows), rtol=1e-5)


def model(nodes: Any, inputs: Any, outputs: Any, constants: Any = (), ml: int = 3, **rest: Any) -> bytes:
    """A graph by hand; inputs and outputs are ``(name, element type, shape)``."""
    graph = helper.make_graph(
        nodes,
        "hand",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        list(constants),
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", ml)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8, **rest).SerializeToString()
    return content


FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
ARGMAX = helper.make_node("ArgMax", ["input"], ["label"], axis=1, keepdims=1)


def test_names_that_are_taken(tmp_path: Path) -> None:
    """A graph whose own tensors have the house's names, in the wrong places, works all the same."""
    nodes = [
        helper.make_node("ArgMax", ["value"], ["input"], axis=1, keepdims=1),
        helper.make_node("Identity", ["value"], ["label"]),
    ]
    content = model(
        nodes,
        [("value", FLOAT, [None, None])],
        [("input", INT64, [None, 1]), ("label", FLOAT, [None, None])],
    )
    table = write(tmp_path, ["x", "y", "z", "probability_0", "probability_1", "probability_2"],
                  [1, 2], [5, 1], [0, 0], [1, 2], [5, 1], [0, 0])  # fmt: skip
    recorded = read_onnx(content, write(tmp_path, ["x", "y", "z"], [1, 3], [5, 1], [1, 0]))
    assert (recorded.names, recorded.target, recorded.classes) == (("x", "y"), "z", (0, 1))
    assert served(recorded, table := read(tmp_path / "rows.csv")) == (0, 0)
    assert [tensor.name for tensor in onnx.load_from_string(recorded.model).graph.input] == ["input"]
    assert table.rows == 2


def test_columns_of_several_types(tmp_path: Path) -> None:
    """One input per column is found by its name; strings are coded, whatever they look like."""
    nodes = [
        helper.make_node("LabelEncoder", ["zip"], ["n"], domain="ai.onnx.ml", keys_strings=["01", "02"],
                         values_floats=[1.0, 2.0], default_float=0.0),
        helper.make_node("Cast", ["count"], ["m"], to=FLOAT),
        helper.make_node("Add", ["n", "m"], ["s"]),
        helper.make_node("Add", ["s", "size"], ["out"]),
    ]  # fmt: skip
    inputs = [("zip", STRING, [None, 1]), ("count", INT64, [None, 1]), ("size", FLOAT, [None, 1])]
    content = model(nodes, inputs, [("out", FLOAT, [None, 1])])
    table = write(tmp_path, ["size", "out", "count", "zip"], [0.5, 0.25], [4.5, 6.25], [3, 4], ["01", "02"])
    recorded = read_onnx(content, table)
    assert (recorded.names, recorded.dtypes) == (("zip", "count", "size"), ("string", "int64", "float32"))
    assert recorded.coding.vocabulary == {0: ("01", "02")}
    assert served(recorded, table) == (0, 0)
    features = card_from_data(recorded, table).signature.features
    assert [feature.categories for feature in features] == [("01", "02"), None, None]
    table = write(tmp_path, ["size", "out", "count", "zip"], [0.5], [4.5], [3.5], ["01"])
    with pytest.raises(
        SourceError, match=r"row 1, column 'count': 3.5 is no integer, and the model takes int64"
    ):
        read_onnx(content, table)


def test_only_rows_of_the_data_can_be_asked(tmp_path: Path) -> None:
    """Another row, by a single bit, has no answer; a missing value is the same as any other missing value."""
    content = model([ARGMAX], [("input", FLOAT, [None, 2])], [("label", INT64, [None, 1])])
    table = write(tmp_path, ["x", "y", "z"], [1, ""], [5, 1], [1, 0])
    recorded = read_onnx(content, table)
    assert recorded.accepts(recorded.rows)
    assert recorded.labels(np.array([[-np.nan, 1.0], [1.0, 5.0]])).tolist() == [0, 1]
    other = np.array([[1.0, np.nextafter(5, 6)]])
    assert not recorded.accepts(other)
    with pytest.raises(SourceError, match="no answer is recorded for this row"):
        recorded.labels(other)
    with pytest.raises(SourceError, match="no answer is recorded for this row"):
        recorded.numbers(other)
    table = write(tmp_path, ["x", "y", "z"], [1, 1], [5, 5], [1, 0])
    with pytest.raises(SourceError, match="rows 1 and 2 are equal, their answers are not; expected what the"):
        read_onnx(content, table)


def test_a_label_that_is_no_class_is_no_wrong_answer(tmp_path: Path) -> None:
    """Classes known from the data alone may lack one: its index is none, not that of another."""
    offset = numpy_helper.from_array(np.array(7), "seven")
    nodes = [ARGMAX, helper.make_node("Add", ["label", "seven"], ["out"])]
    content = model(nodes, [("input", FLOAT, [None, 3])], [("out", INT64, [None, 1])], [offset], ml=1)
    table = write(tmp_path, ["x", "y", "z", "answer"], [1, 3], [5, 1], [0, 0], [8, 7])
    recorded = read_onnx(content, table)
    assert recorded.classes == (7, 8)
    session = Session(recorded.model, card_from_data(recorded, table).signature)
    rows = np.array([[1, 5, 0], [3, 1, 0], [0, 0, 1]])
    assert session.answers(session.feed(rows)).labels.tolist() == [1, 0, 2]
    assert read_onnx(content, table, "answer", ["7", "8", "9"]).classes == (7, 8, 9)


def test_old_files(tmp_path: Path) -> None:
    """Constants that are listed among the inputs, as before version 4 of the format, are no features."""
    old = onnx.load_from_string(
        model([helper.make_node("Add", ["input", "c"], ["out"])],
              [("input", FLOAT, [None, 1]), ("c", FLOAT, [1])], [("out", FLOAT, [None, 1])],
              [numpy_helper.from_array(np.array([1], np.float32), "c")])
    )  # fmt: skip
    old.ir_version = 3
    recorded = read_onnx(old.SerializeToString(), write(tmp_path, ["x", "out"], [1.5], [2.5]))
    assert recorded.n_features == 1
    assert served(recorded, read(tmp_path / "rows.csv")) == (0, 0)


def outside() -> bytes:
    """A graph whose constant is in another file."""
    made = onnx.load_from_string(
        model([helper.make_node("Add", ["input", "c"], ["out"])], [("input", FLOAT, [None, 1])],
              [("out", FLOAT, [None, 1])], [numpy_helper.from_array(np.array([1], np.float32), "c")])
    )  # fmt: skip
    onnx.external_data_helper.set_external_data(made.graph.initializer[0], "weights.bin")
    content: bytes = made.SerializeToString()
    return content


IN, LABEL = [("input", FLOAT, [None, 2])], [("label", INT64, [None, 1])]
SAME = helper.make_node("Identity", ["input"], ["out"])


def column(shape: list[int | None], kind: int = FLOAT) -> list[tuple[str, int, list[int | None]]]:
    """The one input, or with another kind of cell."""
    return [("input", kind, shape)]


OUT = [("out", FLOAT, [None, 2])]
FLAT = helper.make_node("ArgMax", ["input"], ["label"], axis=0, keepdims=0)
OTHER = helper.make_node("Identity", ["input"], ["more"])
NOTHING_IN = helper.make_node("Constant", [], ["label"], value_ints=[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nonsense", "it is no ONNX file: "),
        (b"", "it is no ONNX file, or its graph is empty"),
        (outside(), "the weights 'c' are in another file; save everything in one"),
        (model([helper.make_node("Nope", ["input"], ["label"])], IN, LABEL), "it is no sound ONNX model: "),
        (model([SAME], IN, OUT), "the first output 'out' has 2 columns; expected a label"),
        (model([ARGMAX], column([1, 2]), LABEL), "'input' takes exactly 1 rows; export it with a dynamic"),
        (model([ARGMAX], column([None, 2, 2]), LABEL), "the input 'input' is no tensor"),
        (model([ARGMAX], column([None, 2], INT64), LABEL), "the input 'input' has 2 columns of int64"),
        (model([ARGMAX], column([None, 2], TensorProto.FLOAT16), LABEL), "the input 'input' is no tensor"),
        (model([ARGMAX], column([None, 5]), LABEL), "has 2 feature columns .*, the model takes 5"),
        (model([ARGMAX, SAME], IN, [*OUT, *LABEL]), "the graph gives float32 and int64; expected a label"),
        (
            model([ARGMAX, SAME, OTHER], IN, [*LABEL, *OUT, ("more", FLOAT, [None, 2])]),
            "the graph has 3 outputs",
        ),
        (model([NOTHING_IN], [], LABEL), "the graph has no input"),
        (
            model([FLAT], IN, [("label", INT64, [None])]),
            "the graph gives 2 labels and numbers of .* to 3 rows",
        ),
    ],
)
def test_what_cannot_be_taken_on(content: bytes, reason: str, tmp_path: Path) -> None:
    """Everything else is refused in one line."""
    table = write(tmp_path, ["x", "y", "z"], [1, 3, 2], [5, 1, 1], [1, 0, 2])
    with pytest.raises(SourceError, match=reason) as caught:
        read_onnx(content, table)
    assert "\n" not in str(caught.value)


def test_class_names_that_do_not_fit(foreign: Any, tmp_path: Path) -> None:
    """As many names as the graph has classes, or columns of probabilities."""
    table = write(tmp_path, ["x", "y", "z"], [1, 3], [5, 1], [1, 0])
    content = model([ARGMAX, SAME], IN, LABEL + OUT)
    with pytest.raises(SourceError, match=r"gives 2 probabilities and 3 classes are known \(0, 1, 2\)"):
        read_onnx(content, table, None, ["a", "b", "c"])
    table = write(tmp_path, [*HEADER, "z"], *X.T.tolist(), y)
    with pytest.raises(SourceError, match="expected 3 class names, came 2: a, b"):
        read_onnx(foreign["tree", "indices", True][1], table, None, ["a", "b"])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (["x", "y", "z", "probability_0"], r"expected the columns probability_0, probability_1, or none"),
        (["x", "y", "z", "w"], r"has 3 feature columns \(x, y, z\) beside the answers \(w\)"),
        (
            ["probability_0", "probability_1", "probability_2", "probability_3"],
            "has no column of answers; an",
        ),
    ],
)
def test_tables_that_do_not_fit(header: list[str], reason: str, tmp_path: Path) -> None:
    """Columns that are missing or too many are refused with what was expected."""
    content = model([ARGMAX, SAME], IN, LABEL + OUT)
    with pytest.raises(SourceError, match=reason):
        read_onnx(content, write(tmp_path, header, [1, 3], [5, 1], [1, 0], [1, 0]))


def test_answers_that_the_graph_cannot_have_given(tmp_path: Path) -> None:
    """Labels that are no integers, and probabilities of a model that gives none."""
    content = model([ARGMAX], IN, LABEL)
    with pytest.raises(SourceError, match=r"column 'z' says 0.5; the model's labels are integers"):
        read_onnx(content, write(tmp_path, ["x", "y", "z"], [1, 3], [5, 1], [0, 0.5]))
    table = write(
        tmp_path, ["x", "y", "z", "probability_0", "probability_1"], [1, 3], [5, 1], [1, 0], [0, 1], [1, 0]
    )
    with pytest.raises(SourceError, match="has a column 'probability_0', but the model gives labels only"):
        read_onnx(content, table)


def test_a_graph_that_fails_on_the_rows(tmp_path: Path) -> None:
    """It is told that it does not answer, not how onnxruntime puts it."""
    wrong = numpy_helper.from_array(np.array([7, 3]), "wrong")
    nodes = [helper.make_node("Reshape", ["input", "wrong"], ["moved"]),
             helper.make_node("ArgMax", ["moved"], ["label"], axis=1, keepdims=0)]  # fmt: skip
    content = model(nodes, [("input", FLOAT, [None, None])], [("label", INT64, [None])], [wrong])
    with pytest.raises(SourceError, match="the graph does not answer the first rows"):
        read_onnx(content, write(tmp_path, ["x", "y", "z"], [1, 3], [5, 1], [1, 0]))


def test_a_column_that_is_named_like_an_answer(tmp_path: Path) -> None:
    """There would be two tensors of one name."""
    added = helper.make_node("Add", ["value", "y"], ["sum"])
    inputs = [("value", FLOAT, [None, 1]), ("y", FLOAT, [None, 1])]
    content = model([added], inputs, [("sum", FLOAT, [None, 1])])
    with pytest.raises(SourceError, match="the input 'value' is named like an answer; call the column some"):
        read_onnx(content, write(tmp_path, ["value", "y", "z"], [1, 3], [5, 1], [6, 4]))


def test_names_that_are_taken_twice(tmp_path: Path) -> None:
    """Even the name that a tensor would be moved to may be there already."""
    nodes = [
        helper.make_node("Identity", ["x"], ["file/input"]),
        helper.make_node("Identity", ["file/input"], ["input"]),
        helper.make_node("ArgMax", ["input"], ["label"], axis=1, keepdims=1),
    ]
    content = model(nodes, [("x", FLOAT, [None, 2])], LABEL)
    recorded = read_onnx(content, write(tmp_path, ["x", "y", "z"], [1, 3], [5, 1], [1, 0]))
    assert served(recorded, read(tmp_path / "rows.csv")) == (0, 0)


def test_graphs_inside_the_graph(tmp_path: Path) -> None:
    """What branches read is found under its new name as well."""
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(op, ["input"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", FLOAT, [None, 1])],
        )
        for name, op in (("then", "Neg"), ("else", "Abs"))
    }
    yes = numpy_helper.from_array(np.array(True), "yes")
    nodes = [
        helper.make_node("Identity", ["x"], ["input"]),
        helper.make_node("If", ["yes"], ["out"], **branches),
    ]
    content = model(nodes, [("x", FLOAT, [None, 1])], [("out", FLOAT, [None, 1])], [yes])
    recorded = read_onnx(content, write(tmp_path, ["a", "out"], [1.5, -2], [-1.5, 2]))
    assert served(recorded, read(tmp_path / "rows.csv")) == (0, 0)


def test_old_label_encoders(tmp_path: Path) -> None:
    """Those of the first version cannot stand beside the one that is added."""
    encode = [
        helper.make_node(
            "LabelEncoder", ["input"], ["place"], domain="ai.onnx.ml", classes_strings=["5", "7"]
        ),
        helper.make_node(
            "LabelEncoder", ["place"], ["name"], domain="ai.onnx.ml", classes_strings=["u", "v"]
        ),
    ]
    content = model(encode, [("input", STRING, [None, 1])], [("name", STRING, [None, 1])], ml=1)
    with pytest.raises(SourceError, match=r"it has a LabelEncoder of ai\.onnx\.ml 1; export it for"):
        read_onnx(content, write(tmp_path, ["input", "name"], ["5", "7"], ["u", "v"]))
