"""From estimator to registry in one call: complete, idempotent, and nothing at all on failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.errors import ConvertError, ParityError, SourceError
from convert.publish import convert, seal
from convert.rules import RuleList
from registry.manifest import Card, Feature
from registry.store import Store
from server.session import Session

MakeCard = Callable[..., Card]
SPECIES = ("setosa", "versicolor", "virginica")


def test_what_is_published_is_whole(
    tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard, tmp_path: Path
) -> None:
    """The entry reads back sound, says what made it, and its session gives the golden answers."""
    store = Store(tmp_path)
    assert convert(tree, "tree", make_card(4, SPECIES, "float32"), store, iris.X) == (1, True)
    entry = store.read("tree", 1)
    manifest = entry.manifest
    assert set(manifest.versions) == {"scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy"}
    assert manifest.opsets["ai.onnx.ml"] == 5
    assert manifest.size_bytes == len(entry.model)
    assert [kind.kind for kind in manifest.parity.kinds][:2] == ["data", "thresholds"]
    session = Session(entry.model, manifest.signature)
    labels, probabilities = session.answers(session.feed(entry.golden.inputs))
    assert [SPECIES[label] for label in labels] == list(entry.golden.labels)
    assert probabilities.tolist() == [list(row) for row in entry.golden.probabilities]
    assert store.names() == []  # publishing promotes nothing


def test_publishing_again_changes_nothing(rules: RuleList, make_card: MakeCard, tmp_path: Path) -> None:
    """The same model with the same card is the same version, whatever was measured this time."""
    card = make_card(rules.features, SPECIES, "float64", minimum=0.0, maximum=30.0)
    first, second = seal(rules, "rules", card, random_rows=500), seal(rules, "rules", card, random_rows=500)
    store = Store(tmp_path)
    assert store.publish(first.manifest, first.model, first.golden) == (1, True)
    assert store.publish(second.manifest, second.model, second.golden) == (1, False)
    assert set(first.manifest.versions) == {"onnx", "onnxruntime", "numpy"}


def test_named_classes(iris: Any, make_card: MakeCard) -> None:
    """A model with text labels gives indices; the golden rows carry the words."""
    estimator = DecisionTreeClassifier(random_state=0).fit(iris.X, iris.names)
    sealed = seal(estimator, "words", make_card(4, SPECIES, "float32"), iris.X, 500)
    assert set(sealed.golden.labels) == set(SPECIES)


def test_boosted_trees(iris: Any, make_card: MakeCard) -> None:
    """xgboost's labels are the same on every row, its probabilities within a millionth."""
    boosted = XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(iris.X, iris.y)
    parity = seal(boosted, "boosted", make_card(4, SPECIES, "float32"), iris.X, 500).manifest.parity
    assert parity.oracle.startswith("xgboost 3")
    assert max(kind.max_abs_error for kind in parity.kinds) < parity.probability_bound == 1e-6


def test_missing_values(iris: Any, make_card: MakeCard) -> None:
    """Where a feature may be missing, missing values are part of the proof and of the golden rows."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.X, iris.y)
    sealed = seal(tree, "gaps", make_card(4, SPECIES, "float32", may_be_missing=True), iris.X, 500)
    assert "missing" in {kind.kind for kind in sealed.manifest.parity.kinds}
    assert any(None in row for row in sealed.golden.inputs)


def test_a_scaled_model_in_float32_is_refused(iris: Any, make_card: MakeCard, tmp_path: Path) -> None:
    """A pipeline that scales in float64 is refused as float32, leaving no file, and published as float64."""
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    store = Store(tmp_path)
    with pytest.raises(ParityError, match=r"not published: [1-9][0-9]* of [0-9]+ labels differ"):
        convert(pipeline, "scaled", make_card(4, SPECIES, "float32"), store, iris.X)
    assert list(tmp_path.iterdir()) == []
    assert convert(pipeline, "scaled", make_card(4, SPECIES, "float64"), store, iris.X) == (1, True)


@pytest.mark.parametrize(
    ("features", "classes", "reason"),
    [
        (3, SPECIES, "the card has 3 features, the model takes 4"),
        (4, ("a", "b"), "the card has 2 classes, the model has 3"),
        (4, ("versicolor", "setosa", "virginica"), "the card's classes are .*, the model's are "),
        (("w", "x", "y", "z"), SPECIES, "the card's features are .*, the model was fitted on "),
    ],
)
def test_a_card_of_another_model(
    iris: Any, make_card: MakeCard, features: Any, classes: Any, reason: str
) -> None:
    """A card whose features or classes are not the model's, order included, is refused."""
    estimator = DecisionTreeClassifier().fit(iris.X, iris.names)
    estimator.feature_names_in_ = np.array(["f0", "f1", "f2", "f3"], object)
    with pytest.raises(SourceError, match=reason):
        seal(estimator, "x", make_card(features, classes, "float32"))


def test_one_dtype(tree: DecisionTreeClassifier, make_card: MakeCard) -> None:
    """Features of several dtypes, or of none that a matrix can hold, are refused."""
    card = make_card(4, SPECIES, "float32")
    first = Feature(name="f0", dtype="float64")
    mixed = msgspec.structs.replace(card.signature, features=(first, *card.signature.features[1:]))
    with pytest.raises(
        SourceError, match=r"of one dtype, float32 or float64; the card says \['float32', 'float64'\]"
    ):
        seal(tree, "x", msgspec.structs.replace(card, signature=mixed))
    with pytest.raises(SourceError, match="of one dtype"):
        seal(tree, "x", make_card(4, SPECIES, "int64"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([[1.0, 2.0, 3.0]], r"expected rows of 4 features, came an array of shape \(1, 3\)"),
        (np.empty((0, 4)), r"shape \(0, 4\)"),
        ([[1.0, 2.0, 3.0, 4.0], [1.0, 31.0, 3.0, 4.0]], "data row 2: the card does not allow f1 = 31.0"),
        ([[1.0, 2.0, np.nan, 4.0]], "data row 1: the card does not allow f2 = nan"),
    ],
)
def test_data_that_the_card_forbids(
    tree: DecisionTreeClassifier, make_card: MakeCard, data: Any, reason: str
) -> None:
    """Rows that a client could not send are no proof: they are refused by row and feature."""
    with pytest.raises(ConvertError, match=reason):
        seal(tree, "x", make_card(4, SPECIES, "float32", minimum=0.0, maximum=30.0), np.array(data))
