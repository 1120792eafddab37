"""A card is read as training wrote it, or made from data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from convert.errors import SourceError
from convert.oracle import Oracle
from convert.sources import carding, histogram
from convert.sources.carding import card_from_data, describe, fingerprint, read_card
from convert.sources.table import Table, read
from registry.manifest import Card, encode
from research.iris import dataset, training_data
from tests.convert.colors import LINES, pipeline, table

HEADER = "sepal_length,sepal_width,petal_length,petal_width"


@pytest.fixture
def flowers(iris: Any, tmp_path: Path) -> Table:
    """The data as a table with the species in words."""
    lines = [",".join(map(str, row)) + f",{name}" for row, name in zip(iris.X, iris.names, strict=True)]
    (tmp_path / "flowers.csv").write_text("\n".join([f"{HEADER},species", *lines]))
    return read(tmp_path / "flowers.csv")


def test_everything_from_data(flowers: Table, iris: Any) -> None:
    """Names come from the header, classes from the model, accuracy and fingerprint from the rows."""
    oracle = Oracle(DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.X, iris.names))
    card = card_from_data(oracle, flowers)
    assert ",".join(card.signature.names) == HEADER
    assert card.signature.classes == ("setosa", "versicolor", "virginica")
    assert {(f.dtype, f.minimum, f.maximum, f.may_be_missing) for f in card.signature.features} == {
        ("float32", None, None, False)
    }
    assert card.signature.features[0].example == 5.1
    assert [(m.name, m.value, m.method) for m in card.metrics] == [
        ("accuracy", 0.96, "on the 150 rows of flowers.csv; Wilson interval")
    ]
    assert card.training_data.sha256 == fingerprint(iris.X, iris.y)
    assert card.training_data.rows == 150


def test_class_names_can_be_given(flowers: Table, tree: DecisionTreeClassifier) -> None:
    """A model that numbers its classes gets their names from the caller; without them the text says so."""
    names = ["setosa", "versicolor", "virginica"]
    assert card_from_data(Oracle(tree), flowers, classes=names).signature.classes == tuple(names)
    with pytest.raises(
        SourceError,
        match=r"row 1, column 'species' says 'setosa', the model's classes are 0, 1, 2; .* --classes",
    ):
        card_from_data(Oracle(tree), flowers)
    with pytest.raises(SourceError, match="expected 3 class names, came 2: a, b"):
        card_from_data(Oracle(tree), flowers, classes=["a", "b"])
    with pytest.raises(SourceError, match="expected distinct class names, came a, b, a"):
        card_from_data(Oracle(tree), flowers, classes=["a", "b", "a"])
    regression = Oracle(DecisionTreeRegressor().fit([[1], [2]], [1, 2]))
    with pytest.raises(SourceError, match="is a regression and has no classes; leave out --classes"):
        card_from_data(regression, flowers, classes=["a", "b"])


def test_data_without_answers(tree: DecisionTreeClassifier, tmp_path: Path) -> None:
    """Feature columns alone are enough; there is no accuracy then. An empty cell makes a feature optional."""
    (tmp_path / "plain.csv").write_text("a,b,c,d\n1,2,3,4\n,2,3,4\n")
    card = card_from_data(Oracle(tree), read(tmp_path / "plain.csv"))
    assert card.metrics == ()
    assert [feature.may_be_missing for feature in card.signature.features] == [True, False, False, False]
    assert card.signature.features[0].example == 1.0


def test_the_target_may_stand_anywhere(iris: Any, tmp_path: Path) -> None:
    """The column of the answers is named when it is not the last."""
    (tmp_path / "rows.csv").write_text("kind,a,b\nx,1,2\ny,3,4\n")
    oracle = Oracle(DecisionTreeClassifier().fit([[1, 2], [3, 4]], ["x", "y"]))
    card = card_from_data(oracle, read(tmp_path / "rows.csv"), "kind")
    assert (card.signature.names, card.metrics[0].value) == (("a", "b"), 1.0)


def test_wrong_number_of_columns(flowers: Table) -> None:
    """Columns that the model cannot take are refused, with what to do."""
    oracle = Oracle(DecisionTreeClassifier().fit([[1, 2], [3, 4]], ["x", "y"]))
    with pytest.raises(SourceError, match=r"has 5 feature columns .*, the model takes 2; .* --target"):
        card_from_data(oracle, flowers)


def test_a_model_that_knows_its_columns(flowers: Table, iris: Any) -> None:
    """Columns are found by the names that the model was fitted on, wherever they stand."""
    estimator = DecisionTreeClassifier(random_state=0).fit(iris.X[:, [2, 0]], iris.names)
    estimator.feature_names_in_ = np.array(["petal_length", "sepal_length"], object)
    card = card_from_data(Oracle(estimator), flowers, "species")
    assert card.signature.names == ("petal_length", "sepal_length")


def test_a_column_that_is_always_empty(tmp_path: Path) -> None:
    """A feature that no row knows has no example."""
    estimator = DecisionTreeClassifier().fit([[1, np.nan], [3, np.nan]], [0, 1])
    (tmp_path / "rows.csv").write_text("a,b\n1,\n")
    card = card_from_data(Oracle(estimator), read(tmp_path / "rows.csv"))
    assert card.signature.features[1].example is None


def test_cards_from_files(make_card: Any, tmp_path: Path) -> None:
    """A card that was written is read back; a missing or malformed one is refused with its name."""
    card = make_card(2, 2, "float32")
    path = tmp_path / "card.json"
    path.write_bytes(encode(card))
    assert read_card(path) == card
    path.write_bytes(b'{"description": 1}')
    with pytest.raises(SourceError, match=r"card\.json is not a card: .*description"):
        read_card(path)
    with pytest.raises(SourceError, match=r"absent\.json cannot be read: No such file"):
        read_card(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("labels", "cells", "classes"),
    [
        ([3, 7], ["3", "7.0"], (3, 7)),
        ([1.0, 2.0], ["1", "2.00"], (1.0, 2.0)),
        ([False, True], ["False", "TRUE"], (False, True)),
        ([False, True], ["0", "1.0"], (False, True)),
        (["01", "1"], ["01", "1"], ("01", "1")),
        (["a", "b"], ["a ", " b"], ("a", "b")),
    ],
)
def test_labels_keep_their_type(labels: Any, cells: list[str], classes: Any, tmp_path: Path) -> None:
    """Numbers and booleans stay what they are, however the column of answers writes them."""
    (tmp_path / "rows.csv").write_text("a,kind\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    oracle = Oracle(DecisionTreeClassifier().fit([[0], [1]], labels))
    card = card_from_data(oracle, read(tmp_path / "rows.csv"))
    assert [(type(label), label) for label in card.signature.classes] == [(type(c), c) for c in classes]
    assert card.metrics[0].value == 1.0


def test_renamed_classes_with_the_models_own_answers(tmp_path: Path) -> None:
    """Where classes are renamed, the column may say either; an empty cell is an answer that is missing."""
    oracle = Oracle(DecisionTreeClassifier().fit([[0], [1]], [0, 1]))
    for first, second in (("0", "1"), ("no", "yes")):
        (tmp_path / "rows.csv").write_text(f"a,kind\n0,{first}\n1,{second}\n")
        card = card_from_data(oracle, read(tmp_path / "rows.csv"), classes=["no", "yes"])
        assert (card.signature.classes, card.metrics[0].value) == (("no", "yes"), 1.0)
    (tmp_path / "rows.csv").write_text("a,kind\n0,no\n1,\n")
    with pytest.raises(SourceError, match="row 2, column 'kind' is empty; every answer is needed"):
        card_from_data(oracle, read(tmp_path / "rows.csv"), classes=["no", "yes"])


def test_regressions(tmp_path: Path) -> None:
    """A regression has no classes; its quality is the coefficient of determination, where there is one."""
    oracle = Oracle(LinearRegression().fit([[0], [1], [2]], [1, 3, 5]))
    (tmp_path / "rows.csv").write_text("a,y\n0,1\n1,3\n2,7\n")
    card = card_from_data(oracle, read(tmp_path / "rows.csv"))
    assert (card.task, card.signature.classes, card.signature.probabilities) == ("regression", (), True)
    assert card.metrics[0].name == "r2"
    assert card.metrics[0].value == pytest.approx(1 - 4 / (56 / 3))
    (tmp_path / "rows.csv").write_text("a,y\n0,1\n")
    assert card_from_data(oracle, read(tmp_path / "rows.csv")).metrics == ()
    (tmp_path / "rows.csv").write_text("a,y\n0,1\n1,\n")
    with pytest.raises(SourceError, match="row 2, column 'y' is empty; every answer is needed"):
        card_from_data(oracle, read(tmp_path / "rows.csv"))


def test_labels_only(flowers: Table, iris: Any) -> None:
    """A classifier that does not know how sure it is says so on its card."""
    card = card_from_data(Oracle(RidgeClassifier().fit(iris.X, iris.names)), flowers)
    assert not card.signature.probabilities


def test_holes_that_the_model_refuses(iris: Any, tmp_path: Path) -> None:
    """Missing values are allowed only where the model answers them."""
    oracle = Oracle(LogisticRegression(max_iter=1000).fit(iris.X, iris.y))
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n1,2,,4\n")
    with pytest.raises(
        SourceError,
        match=r"column 'c' has missing values \(row 2\), but this LogisticRegression refuses them: ",
    ):
        card_from_data(oracle, read(tmp_path / "rows.csv"))


def test_columns_that_are_not_there(flowers: Table) -> None:
    """The features that the data lacks are listed, with what the model was fitted on."""
    estimator = DecisionTreeClassifier().fit([[1, 2], [3, 4]], ["setosa", "x"])
    estimator.feature_names_in_ = np.array(["petal_length", "weight"], object)
    with pytest.raises(
        SourceError, match=r"has no column 'weight'; the model was fitted on petal_length, weight$"
    ):
        card_from_data(Oracle(estimator), flowers)


def test_too_many(iris: Any, flowers: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Features, classes and categories have a limit each."""
    oracle = Oracle(DecisionTreeClassifier().fit(iris.X, iris.names))
    monkeypatch.setattr(carding, "MAX_FEATURES", 3)
    with pytest.raises(SourceError, match="the model takes 4 features; at most 3 are served"):
        card_from_data(oracle, flowers)
    monkeypatch.setattr(carding, "MAX_CLASSES", 2)
    with pytest.raises(SourceError, match="DecisionTreeClassifier has 3 classes; at most 2 are served"):
        card_from_data(oracle, flowers)
    monkeypatch.setattr(carding, "MAX_CATEGORIES", 2)
    with pytest.raises(
        SourceError, match="'color' has 3 different strings and the model answers no others; at"
    ):
        describe(pipeline("error"), table(tmp_path, *LINES), classes=None)


@pytest.mark.parametrize("named", [True, False])
def test_strings(named: bool, tmp_path: Path) -> None:
    """Strings are categories where the model refuses others, and any text where it answers others."""
    rows = table(tmp_path, *LINES)
    _, closed = describe(pipeline("error", named), rows)
    oracle, opened = describe(pipeline("ignore", named), rows)
    assert closed.signature.features[0].categories == ("blue", "green", "red")
    assert opened.signature.features[0].categories is None
    assert [(f.dtype, f.example) for f in opened.signature.features] == [("string", "red"), ("float64", 1.0)]
    assert opened.training_data == closed.training_data
    assert oracle.coding.names == ("color", "size")
    assert (
        opened.metrics[0].value
        == (oracle.labels(np.array([[2, 1], [0, 2], [2, 3], [1, 4.0]])) == [0, 1, 0, 1]).mean()
    )
    assert msgspec.json.decode(encode(opened), type=Card) == opened


def test_fingerprints(tmp_path: Path) -> None:
    """Numbers alone are told as the research does it; a string that changes changes the digest."""
    data = dataset()
    assert fingerprint(data.X, data.y) == training_data(data).sha256
    rows = np.array([[0.0, 1.0], [1.0, 2.0]])
    answers = np.array([0, 1])
    digests = {
        fingerprint(rows, answers),
        fingerprint(rows, answers.astype(float)),
        fingerprint(rows, answers, {0: ("a", "b")}),
        fingerprint(rows, answers, {0: ("a", "c")}),
        fingerprint(rows, answers, {1: ("a", "c")}),
    }
    assert len(digests) == 5
    _, one = describe(pipeline("error"), table(tmp_path, *LINES))
    _, other = describe(pipeline("error"), table(tmp_path, *LINES[::-1]))
    assert one.training_data.sha256 != other.training_data.sha256


def test_histograms_on_the_card(tmp_path: Path) -> None:
    """Each feature has one, of numbers or of strings."""
    _, card = describe(pipeline("error"), table(tmp_path, *LINES))
    colors, sizes = card.training_data.histograms
    assert (colors.feature, colors.values, colors.counts) == ("color", ("red", "blue", "green"), (2, 1, 1))
    assert (sizes.feature, sizes.edges, sizes.counts) == ("size", (1, 1.75, 2.5, 3.25, 4), (1, 1, 1, 1))


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE | st.just(float("nan")), max_size=40))
def test_histograms_of_numbers(column: list[float]) -> None:
    """Every row is counted once, between the smallest and the largest value."""
    found = histogram.of_numbers("x", np.array(column))
    known = [value for value in column if value == value]
    assert found.missing + sum(found.counts) == len(column)
    assert len(found.counts) == min(histogram.BINS, len(set(known)))
    assert (found.edges[:1], found.edges[-1:]) == ((min(known),), (max(known),)) if known else ((), ())
    assert np.isfinite(found.edges).all()
    assert sorted(found.edges) == list(found.edges)


def test_histograms_of_one_value_and_of_many_strings() -> None:
    """One value is a bin without width; of strings the most frequent are kept, ties in alphabetical order."""
    one = histogram.of_numbers("x", np.array([2.0, 2.0, np.nan]))
    assert (one.edges, one.counts, one.missing) == ((2.0, 2.0), (2,), 1)
    words = [f"{number:02}" for number in range(60)]
    found = histogram.of_strings("x", [*words, "59", "07"])
    assert found.values == ("07", "59", *(word for word in words[:49] if word != "07"))
    assert found.counts == (2, 2, *[1] * 48)
