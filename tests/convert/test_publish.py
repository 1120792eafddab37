"""``convert()``: the whole way of a model in one call, whatever the model comes as."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import onnx
import pandas
import pytest
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBRegressor

from convert.errors import ParityError, SourceError, Unconvertible
from convert.publish import convert
from convert.sources.vocabulary import STRANGER
from registry.__main__ import main as models
from registry.errors import InvalidName, PromotionRefused
from registry.manifest import Card, Manifest
from registry.store import Store
from server.model import Model
from tests.convert.colors import LINES, pipeline, table

MakeCard = Callable[..., Card]
Publish = Callable[..., Manifest]
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Root of a registry that is not there yet."""
    return tmp_path / "registry"


@pytest.fixture
def publish(registry: Path) -> Publish:
    """``convert`` into that registry, with few random rows."""
    return partial(convert, name="m", registry=registry, random_rows=300)


@pytest.fixture
def data(iris: Any, tmp_path: Path) -> Path:
    """The flowers with the names of their kinds, as CSV."""
    frame = pandas.DataFrame(iris.X, columns=NAMES).assign(species=iris.names)
    frame.to_csv(tmp_path / "iris.csv", index=False)
    return tmp_path / "iris.csv"


def served(registry: Path, manifest: Manifest) -> Model:
    """As a server has it: the golden rows pass, or this raises."""
    return Model(Store(registry).read(manifest.name, manifest.version))


def compared(manifest: Manifest) -> dict[str, int]:
    """How many rows of each kind."""
    return {kind.kind: kind.rows for kind in manifest.parity.kinds}


def test_an_estimator_and_a_csv_file(
    tree: DecisionTreeClassifier, data: Path, registry: Path, publish: Publish
) -> None:
    """Names come from the header, classes from the caller; all rows are part of the proof, all steps told."""
    told: list[str] = []
    manifest = publish(tree, data=data, classes=SPECIES, say=told.append)
    assert (manifest.reference, manifest.signature.names) == ("m@1", NAMES)
    assert manifest.signature.classes == SPECIES
    assert compared(manifest)["data"] == 150
    assert manifest.card.metrics[0].name == "accuracy"
    assert told[0] == "building the graph"
    assert Store(registry).published() == ["m"]
    with pytest.raises(Exception, match="has no current version"):
        Store(registry).current("m")
    answer = served(registry, manifest).answer((5.1, 3.5, 1.4, 0.2), False)
    assert b'"setosa"' in answer


def test_a_file_and_parquet(
    tree: DecisionTreeClassifier, iris: Any, tmp_path: Path, publish: Publish
) -> None:
    """Paths may be text or paths; publishing the same again is no new version."""
    frame = pandas.DataFrame(iris.X, columns=NAMES).assign(species=iris.y)
    frame.to_parquet(tmp_path / "iris.parquet")
    joblib.dump(tree, tmp_path / "tree.joblib")
    manifest = publish(tmp_path / "tree.joblib", data=tmp_path / "iris.parquet", target="species")
    assert manifest.signature.classes == (0, 1, 2)
    assert manifest.card.training_data.rows == 150
    again = publish(str(tmp_path / "tree.joblib"), data=str(tmp_path / "iris.parquet"))
    assert again.version == 1


def test_a_function(tmp_path: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """``package.module:function`` of the working directory; the line that cannot be read names it."""
    (tmp_path / "bakery.py").write_text(
        "from sklearn.tree import DecisionTreeRegressor\n"
        "def fitted(): return DecisionTreeRegressor().fit([[0.5, 1.5], [1.25, 2.5]], [1.5, 2.5])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    assert publish("bakery:fitted").signature.task == "regression"
    with pytest.raises(SourceError, match="module 'bakery' has no function 'absent'"):
        publish("bakery:absent")


def test_text_file_of_lightgbm(
    iris: Any, data: Path, tmp_path: Path, registry: Path, publish: Publish
) -> None:
    """Classes are numbers there; the data may call them by other names."""
    fitted = LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(iris.X, iris.y)
    fitted.booster_.save_model(tmp_path / "leaves.txt")
    manifest = publish(tmp_path / "leaves.txt", data=data, classes=SPECIES)
    assert manifest.parity.oracle.startswith("lightgbm ")
    assert served(registry, manifest).manifest.signature.classes == SPECIES


def test_json_file_of_xgboost(iris: Any, tmp_path: Path, registry: Path, publish: Publish) -> None:
    """A regressor that xgboost wrote itself, without data and card: names are made up, or the model's own."""
    fitted = XGBRegressor(n_estimators=3, n_jobs=1).fit(iris.X[:, :3], iris.X[:, 3])
    fitted.save_model(tmp_path / "boosted.json")
    manifest = publish(tmp_path / "boosted.json")
    assert manifest.signature.names == ("f0", "f1", "f2")
    assert manifest.card.training_data.name == "not told"
    assert "data" not in compared(manifest)
    served(registry, manifest)
    framed = pandas.DataFrame(iris.X[:, :3], columns=NAMES[:3])
    XGBRegressor(n_estimators=3, n_jobs=1).fit(framed, iris.y).save_model(tmp_path / "named.json")
    assert publish(tmp_path / "named.json", name="named").signature.names == NAMES[:3]


SCORES = numpy_helper.from_array(np.array([[1, 0], [0, 2]], np.float32), "weights")


def graph(path: Path) -> Path:
    """Two scores of two features, as probabilities, and the larger one's number."""
    nodes = [
        helper.make_node("MatMul", ["input", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["sure"], axis=1),
        helper.make_node("ArgMax", ["sure"], ["answer"], axis=1, keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "made elsewhere",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("answer", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("sure", TensorProto.FLOAT, [None, 2]),
        ],
        [SCORES],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    return path


def recorded(path: Path, digits: int) -> Path:
    """Rows with what that graph answers, in so many digits."""
    rows = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32)
    scores = np.exp(rows.astype(np.float64) * [1, 2])
    sure = scores / scores.sum(axis=1, keepdims=True)
    frame = pandas.DataFrame(rows.astype(np.float64), columns=["width", "height"])
    frame["answer"] = np.array(["no", "yes"])[sure.argmax(axis=1)]
    frame["probability_no"], frame["probability_yes"] = sure.round(digits).T
    frame.to_csv(path, index=False)
    return path


def test_an_onnx_file(tmp_path: Path, registry: Path, publish: Publish) -> None:
    """The recorded answers are the proof, labels and probabilities, and the golden rows hold them."""
    model, answers = graph(tmp_path / "model.onnx"), recorded(tmp_path / "answers.csv", 12)
    manifest = publish(model, data=answers, classes=["no", "yes"])
    assert compared(manifest) == {"data": 40}
    assert manifest.signature.names == ("width", "height")
    assert manifest.signature.probabilities
    assert b'"yes"' in served(registry, manifest).answer((-1.0, 1.0), True)
    card = msgspec.structs.replace(manifest.card, description="by hand")
    assert publish(model, data=answers, classes=["no", "yes"], card=card).card == card


def test_an_onnx_file_that_answers_otherwise(tmp_path: Path, registry: Path, publish: Publish) -> None:
    """Answers in three digits are not the graph's; insisted on, it is served within what was seen."""
    model, answers = graph(tmp_path / "model.onnx"), recorded(tmp_path / "answers.csv", 3)
    with pytest.raises(ParityError, match="of 40 rows of kind 'data' are answered otherwise"):
        publish(model, data=answers, classes=["no", "yes"])
    manifest = publish(model, data=answers, classes=["no", "yes"], allow_inexact=True)
    assert 1e-4 < manifest.parity.bound.absolute < 6e-4
    served(registry, manifest)


def test_an_onnx_file_of_another_model(tmp_path: Path, registry: Path, publish: Publish) -> None:
    """Where not one row is right there is nothing that a server could hold the model to."""
    model, answers = graph(tmp_path / "model.onnx"), recorded(tmp_path / "answers.csv", 12)
    with pytest.raises(ParityError, match="not published: not one row is answered as by the trained"):
        publish(model, data=answers, classes=["yes", "no"], target="answer", allow_inexact=True)
    assert not registry.exists()


def test_an_onnx_file_without_answers(tmp_path: Path, registry: Path, publish: Publish) -> None:
    """A graph cannot be asked for right answers."""
    with pytest.raises(SourceError, match=r"model.onnx is a graph and .* give --data with the features and"):
        publish(graph(tmp_path / "model.onnx"))
    assert not registry.exists()


def test_nothing_but_the_estimator(iris: Any, registry: Path, publish: Publish) -> None:
    """Names are the estimator's own, or made up; the rows of the proof are drawn around its thresholds."""
    framed = pandas.DataFrame(iris.X, columns=NAMES)
    named = DecisionTreeClassifier(max_depth=3).fit(framed, iris.names)
    manifest = publish(named)
    assert (manifest.signature.names, manifest.signature.classes) == (NAMES, SPECIES)
    assert (manifest.card.training_data.rows, manifest.card.metrics) == (0, ())
    assert list(compared(manifest))[:2] == ["thresholds", "regions"]
    served(registry, manifest)
    plain = DecisionTreeClassifier(max_depth=3).fit(iris.X, iris.y)
    signature = publish(plain, name="plain", classes=SPECIES).signature
    assert (signature.names, signature.classes) == (("f0", "f1", "f2", "f3"), SPECIES)
    with pytest.raises(SourceError, match="expected 3 class names, came 2: a, b"):
        publish(plain, classes=["a", "b"])


def test_a_card(tree: DecisionTreeClassifier, data: Path, make_card: MakeCard, publish: Publish) -> None:
    """What the trainer wrote is published as it is, with and without data."""
    card = make_card(NAMES, SPECIES, "float32", minimum=0.0, maximum=10.0)
    assert publish(tree, card=card).card == card
    assert compared(publish(tree, card=card, data=data))["data"] == 150
    holes = pandas.read_csv(data).assign(petal_width=np.nan)
    holes.to_csv(data, index=False)
    with pytest.raises(SourceError, match="the card does not allow petal_width = nan"):
        publish(tree, card=card, data=data)
    line = LinearRegression().fit(np.eye(4), [0.5, 1, 2, 3])
    with pytest.raises(
        SourceError, match=r"column 'petal_width' has missing values \(row 1\), but this Linear"
    ):
        publish(line, card=make_card(NAMES, 0, "float64", may_be_missing=True), data=data)
    with pytest.raises(SourceError, match="has no columns 'f0', 'f1', 'f2', 'f3'"):
        publish(tree, card=make_card(4, SPECIES, "float32"), data=data)


def mixed_card(make_card: MakeCard, categories: tuple[str, ...] | None) -> Card:
    """Of the pipeline with colors."""
    card = make_card(["color", "size"], ["x", "y"], "float64")
    color, size = card.signature.features
    color = msgspec.structs.replace(color, dtype="string", categories=categories)
    signature = msgspec.structs.replace(card.signature, features=(color, size))
    return msgspec.structs.replace(card, signature=signature)


COLORS = ("blue", "green", "red")


@pytest.mark.parametrize("with_data", [True, False])
def test_a_card_with_strings(
    with_data: bool, make_card: MakeCard, tmp_path: Path, registry: Path, publish: Publish
) -> None:
    """The categories of the card are what is proved, with the data or without."""
    rows = table(tmp_path, *LINES[:3]).path if with_data else None  # without green
    manifest = publish(pipeline("error"), data=rows, card=mixed_card(make_card, COLORS))
    assert manifest.signature.features[0].categories == COLORS
    golden = Store(registry).read("m", 1).golden
    assert {row[0] for row in golden.inputs} == set(COLORS)
    served(registry, manifest)


def test_a_card_with_any_string(
    make_card: MakeCard, tmp_path: Path, registry: Path, publish: Publish
) -> None:
    """Any text is allowed where the model answers any, and needs data to know some."""
    rows, card = table(tmp_path, *LINES).path, mixed_card(make_card, None)
    publish(pipeline("ignore"), data=rows, card=card)
    assert STRANGER in {row[0] for row in Store(registry).read("m", 1).golden.inputs}
    with pytest.raises(
        SourceError, match="the card names no categories for a feature of strings: give --data"
    ):
        publish(pipeline("ignore"), card=card)
    with pytest.raises(
        SourceError, match="the card allows any text for color, but the trained model refuses unknown ones"
    ):
        publish(pipeline("error"), data=rows, card=card)


def test_data_that_the_card_of_strings_forbids(make_card: MakeCard, tmp_path: Path, publish: Publish) -> None:
    """A string that the card does not name, and text where it has numbers, are told by row and column."""
    rows = table(tmp_path, *LINES).path
    with pytest.raises(SourceError, match=r"row 4, column 'color' says 'green', which is not among"):
        publish(pipeline("ignore"), data=rows, card=mixed_card(make_card, ("blue", "red")))
    plain = make_card(["color", "size"], ["x", "y"], "float64")
    with pytest.raises(SourceError, match=r"row 1, column 'color': 'red' is not a finite number"):
        publish(pipeline("ignore"), data=rows, card=plain)


def test_strings(tmp_path: Path, registry: Path, publish: Publish) -> None:
    """A pipeline that was fitted on a table of words and numbers learns its words from the data."""
    manifest = publish(pipeline("error"), data=table(tmp_path, *LINES).path)
    assert manifest.signature.features[0].categories == COLORS
    assert b'"x"' in served(registry, manifest).answer(("red", 3.0), True)
    with pytest.raises(Unconvertible, match=r"transformer 'color' of .*: a feature of numbers was encoded"):
        publish(pipeline("error"))  # without data nobody knows of the words


def test_promotion(tree: DecisionTreeClassifier, registry: Path, publish: Publish) -> None:
    """What is promoted is served."""
    publish(tree, promote=True)
    assert Store(registry).current("m") == 1


def test_a_failing_proof(
    iris: Any,
    make_card: MakeCard,
    registry: Path,
    publish: Publish,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing gets into the registry, unless it is insisted; the registry then says what it has."""
    scaled = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    card = make_card(4, SPECIES, "float32")
    with pytest.raises(ParityError, match=r"not published: .* rows of kind .* are answered otherwise"):
        publish(scaled, card=card, promote=True)
    assert not registry.exists()
    with pytest.raises(PromotionRefused, match="parity: published though not exact: "):
        publish(scaled, card=card, promote=True, allow_inexact=True)
    assert Store(registry).current_or_none("m") is None
    manifest = publish(scaled, card=card, promote=True, allow_inexact=True, force="the demo is at noon")
    assert Store(registry).steps("m")[-1].forced == "the demo is at noon"
    served(registry, manifest)
    assert models(["--registry", str(registry), "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("NOT EXACT, FORCED")
    assert models(["--registry", str(registry), "show", "m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"NOT EXACT: {manifest.parity.inexact}"
    assert any("worst row of thresholds: " in line for line in lines)


def test_names_are_checked_first(registry: Path, publish: Publish) -> None:
    """Before anything is built."""
    with pytest.raises(InvalidName):
        publish(object(), name="../up")
    with pytest.raises(SourceError, match="object is neither a classifier nor a regressor"):
        publish(object())


def test_a_regression(iris: Any, tmp_path: Path, registry: Path, publish: Publish) -> None:
    """Values, and how good they are on the data."""
    fitted = DecisionTreeRegressor(max_depth=3).fit(iris.X[:, :3], iris.X[:, 3])
    pandas.DataFrame(iris.X, columns=NAMES).to_csv(tmp_path / "rows.csv", index=False)
    manifest = publish(fitted, data=tmp_path / "rows.csv")
    assert (manifest.card.task, manifest.card.metrics[0].name) == ("regression", "r2")
    expected = fitted.predict([[5.1, 3.5, 1.4]])[0]
    answer = msgspec.json.decode(served(registry, manifest).answer((5.1, 3.5, 1.4), False))
    assert expected in answer.values()


def test_a_linear_regression_has_a_margin(iris: Any, registry: Path, publish: Publish) -> None:
    """Its bound is in the entry, and the server holds the golden rows to it."""
    manifest = publish(LinearRegression().fit(iris.X, iris.y))
    assert manifest.parity.bound.margin_ulp
    served(registry, manifest)


def test_labels_only(iris: Any, registry: Path, publish: Publish) -> None:
    """A classifier that does not say how sure it is."""
    manifest = publish(LinearSVC(max_iter=10_000).fit(iris.X, iris.names))
    assert not manifest.signature.probabilities
    assert (
        served(registry, manifest).why_no_probabilities
        == "model m gives labels only: it has no probabilities"
    )


@pytest.mark.parametrize(
    ("label", "classes", "written"),
    [
        (lambda y: y > 0, (False, True), b"false"),
        (lambda y: 5 * (y > 0) + 3, (3, 8), b"3"),
        (lambda y: np.array(["few", "many"])[(y > 0).astype(int)], ("few", "many"), b'"few"'),
    ],
    ids=["booleans", "integers", "words"],
)
def test_labels_keep_their_type(
    label: Callable[[Any], NDArray[Any]],
    classes: tuple[Any, ...],
    written: bytes,
    iris: Any,
    tmp_path: Path,
    registry: Path,
    publish: Publish,
) -> None:
    """From the trainer through the file and the data to the answer."""
    fitted = DecisionTreeClassifier(max_depth=3).fit(iris.X, label(iris.y))
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    pandas.DataFrame(iris.X, columns=NAMES).assign(answer=label(iris.y)).to_csv(tmp_path / "rows.csv")
    frame = pandas.read_csv(tmp_path / "rows.csv", index_col=0)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    manifest = publish(tmp_path / "fitted.joblib", data=tmp_path / "rows.csv")
    assert manifest.signature.classes == classes
    assert [type(each) for each in manifest.signature.classes] == [type(each) for each in classes]
    assert manifest.card.metrics[0].value == 1.0
    assert written in served(registry, manifest).answer((5.1, 3.5, 1.4, 0.2), False)


def opaque(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Something that no graph can say."""
    return np.sort(X, axis=1)


def test_a_step_that_is_not_supported(iris: Any, registry: Path, publish: Publish) -> None:
    """It is named with its place."""
    steps = make_pipeline(StandardScaler(), FunctionTransformer(opaque), DecisionTreeClassifier())
    with pytest.raises(Unconvertible, match="step 'functiontransformer'"):
        publish(steps.fit(iris.X, iris.y))
    assert not registry.exists()


def test_an_onnx_file_with_a_class_that_nobody_recorded(
    tmp_path: Path, registry: Path, publish: Publish
) -> None:
    """Classes that the data alone tells may lack one; the row where the graph gives it is told as that."""
    nodes = [
        helper.make_node("ArgMax", ["input"], ["place"], axis=1, keepdims=0),
        helper.make_node("Add", ["place", "seven"], ["answer"]),
    ]
    made = helper.make_graph(
        nodes,
        "made elsewhere",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.INT64, [None])],
        [numpy_helper.from_array(np.array(7), "seven")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "rows.csv").write_text("a,b,c,answer\n1,0,0,7\n0,1,0,8\n0,0,1,8\n")
    with pytest.raises(ParityError, match=r"expected \[8\], got \['none of the classes \(2\)'\]"):
        publish(tmp_path / "model.onnx", data=tmp_path / "rows.csv")
    assert not registry.exists()
