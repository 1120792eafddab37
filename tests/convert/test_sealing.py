"""From estimator to a sealed entry: complete, the same every time, and nothing at all on failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert import sealing
from convert.errors import ConvertError, ParityError, SourceError, Unconvertible
from convert.oracle import Oracle
from convert.sealing import seal
from convert.sources.rules import RuleList
from registry.manifest import Bound, Card, Feature
from registry.store import Store
from server.session import Session

MakeCard = Callable[..., Card]
SPECIES = ("setosa", "versicolor", "virginica")


def test_what_is_sealed_is_whole(
    tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard, tmp_path: Path
) -> None:
    """The entry reads back sound, says what made it, and its session gives the golden answers."""
    store = Store(tmp_path)
    sealed = seal(Oracle(tree), "tree", make_card(4, SPECIES, "float32"), iris.X, random_rows=500)
    assert store.publish(sealed.manifest, sealed.model, sealed.golden) == (1, True)
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


def test_sealing_again_changes_nothing(rules: RuleList, make_card: MakeCard, tmp_path: Path) -> None:
    """The same model with the same card is the same version, whatever was measured this time."""
    card = make_card(rules.features, SPECIES, "float64", minimum=0.0, maximum=30.0)
    first, second = (seal(Oracle(rules), "rules", card, random_rows=500) for _ in range(2))
    store = Store(tmp_path)
    assert store.publish(first.manifest, first.model, first.golden) == (1, True)
    assert store.publish(second.manifest, second.model, second.golden) == (1, False)
    assert set(first.manifest.versions) == {"onnx", "onnxruntime", "numpy"}


def test_named_classes(iris: Any, make_card: MakeCard) -> None:
    """A model with text labels gives indices; the golden rows carry the words."""
    estimator = DecisionTreeClassifier(random_state=0).fit(iris.X, iris.names)
    sealed = seal(Oracle(estimator), "words", make_card(4, SPECIES, "float32"), iris.X, random_rows=500)
    assert set(sealed.golden.labels) == set(SPECIES)


def test_boosted_trees(iris: Any, make_card: MakeCard) -> None:
    """xgboost's labels are the same on every row, its probabilities to the last bit of float32."""
    boosted = XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(iris.X, iris.y)
    sealed = seal(Oracle(boosted), "boosted", make_card(4, SPECIES, "float32"), iris.X, random_rows=500)
    parity = sealed.manifest.parity
    assert parity.oracle.startswith("xgboost 3")
    assert parity.bound == Bound(ulp=1, absolute=1.2e-7)
    assert max(kind.max_abs_error for kind in parity.kinds) <= 1.2e-7
    assert "xgboost" in sealed.manifest.versions


def test_a_regression(iris: Any, make_card: MakeCard) -> None:
    """Golden rows of a regression hold values; there is nothing to be tied."""
    model = LinearRegression().fit(iris.X[:, :3], iris.X[:, 3])
    sealed = seal(Oracle(model), "line", make_card(3, 0, "float64"), iris.X[:, :3], random_rows=500)
    assert sealed.manifest.card.task == "regression"
    assert len(sealed.golden.values) == len(sealed.golden.inputs) > 100
    assert "ties" not in {kind.kind for kind in sealed.manifest.parity.kinds}


def test_labels_only(iris: Any, make_card: MakeCard) -> None:
    """A classifier without probabilities is sealed without, and a card that promises some is refused."""
    model = LinearSVC(max_iter=10_000).fit(iris.X, iris.names)
    card = make_card(4, SPECIES, "float64")
    plain = msgspec.structs.replace(card.signature, probabilities=False)
    sealed = seal(
        Oracle(model), "svm", msgspec.structs.replace(card, signature=plain), iris.X, random_rows=500
    )
    assert (sealed.golden.probabilities, len(sealed.golden.labels) > 100) == ((), True)
    with pytest.raises(SourceError, match="the card says probabilities: True, the model has no"):
        seal(Oracle(model), "svm", card)


def test_missing_values(iris: Any, make_card: MakeCard) -> None:
    """Where a feature may be missing, missing values are part of the proof and of the golden rows."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.X, iris.y)
    card = make_card(4, SPECIES, "float32", may_be_missing=True)
    sealed = seal(Oracle(tree), "gaps", card, iris.X, random_rows=500)
    assert "missing" in {kind.kind for kind in sealed.manifest.parity.kinds}
    assert any(None in row for row in sealed.golden.inputs)


def test_a_scaled_model_in_float32_is_refused(iris: Any, make_card: MakeCard) -> None:
    """A pipeline scales in float64; rounded to float32 before, it answers otherwise, and is refused."""
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    oracle = Oracle(pipeline)
    with pytest.raises(ParityError, match=r"not published: [1-9][0-9]* of [0-9]+ rows of kind"):
        seal(oracle, "scaled", make_card(4, SPECIES, "float32"), iris.X, random_rows=500)
    insisted = seal(oracle, "scaled", make_card(4, SPECIES, "float32"), iris.X, random_rows=500, insist=True)
    assert "are answered otherwise than by the trained model" in insisted.manifest.parity.inexact
    exact = seal(oracle, "scaled", make_card(4, SPECIES, "float64"), iris.X, random_rows=500)
    assert exact.manifest.parity.inexact == ""


def test_a_graph_that_is_too_large(
    tree: DecisionTreeClassifier, make_card: MakeCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no runtime would load is not published."""
    monkeypatch.setattr(sealing, "MAX_FILE_BYTES", 100)
    with pytest.raises(Unconvertible, match=r"takes \d+ bytes, more than the 100 .*; train fewer or smaller"):
        seal(Oracle(tree), "x", make_card(4, SPECIES, "float32"))


def test_a_card_of_another_task(tree: DecisionTreeClassifier, make_card: MakeCard) -> None:
    """A regression's card is not a classifier's."""
    with pytest.raises(SourceError, match="the card is that of a regression, the model that of a classific"):
        seal(Oracle(tree), "x", make_card(4, 0, "float32"))


@pytest.mark.parametrize(
    ("features", "classes", "reason"),
    [
        (3, SPECIES, "the card has 3 features, the model takes 4"),
        (4, ("a", "b"), "the card has 2 classes, the model has 3"),
        (4, ("versicolor", "setosa", "virginica"), "the classes are to be called .*, the model calls them "),
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
        seal(Oracle(estimator), "x", make_card(features, classes, "float32"))


def test_one_dtype(tree: DecisionTreeClassifier, make_card: MakeCard) -> None:
    """Features of several dtypes, or of none that a matrix can hold, are refused."""
    card = make_card(4, SPECIES, "float32")
    first = Feature(name="f0", dtype="float64")
    mixed = msgspec.structs.replace(card.signature, features=(first, *card.signature.features[1:]))
    with pytest.raises(
        SourceError, match=r"of one dtype, float32 or float64; the card says \['float32', 'float64'\]"
    ):
        seal(Oracle(tree), "x", msgspec.structs.replace(card, signature=mixed))
    with pytest.raises(SourceError, match="of one dtype"):
        seal(Oracle(tree), "x", make_card(4, SPECIES, "int64"))


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
        seal(Oracle(tree), "x", make_card(4, SPECIES, "float32", minimum=0.0, maximum=30.0), np.array(data))
