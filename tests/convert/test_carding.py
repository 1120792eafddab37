"""A card is read as training wrote it, or made from data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from convert.carding import card_from_data, fingerprint, read_card
from convert.errors import SourceError
from convert.oracle import Oracle
from convert.table import Table, read
from registry.manifest import encode

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
        ("accuracy", 0.96, "on the 150 rows of flowers.csv")
    ]
    assert card.training_data.sha256 == fingerprint(iris.X, iris.y)
    assert card.training_data.rows == 150


def test_class_names_can_be_given(flowers: Table, tree: DecisionTreeClassifier) -> None:
    """A model that numbers its classes gets their names from the caller; without them the text says so."""
    names = ["setosa", "versicolor", "virginica"]
    assert card_from_data(Oracle(tree), flowers, classes=names).signature.classes == tuple(names)
    with pytest.raises(SourceError, match=r"says 'setosa', the model's classes are 0, 1, 2; .* --classes"):
        card_from_data(Oracle(tree), flowers)
    with pytest.raises(SourceError, match="expected 3 class names, came 2: a, b"):
        card_from_data(Oracle(tree), flowers, classes=["a", "b"])


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
