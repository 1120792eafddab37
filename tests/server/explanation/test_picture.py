"""Trees and rules as pictures: complete, harmless, the same every time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from registry.manifest import Manifest, Signature
from registry.store import Store
from server.errors import NotExplainable
from server.explanation.explainer import Explainer
from server.explanation.picture import MOST_NODES, picture
from server.settings import SHIPPED_REGISTRY
from tests.server.explanation.asked import DIABETES, IRIS, PROGRESS, SPECIES, Asked, asked

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def manifest(shipped: Store) -> Manifest:
    """Any: the title comes from it."""
    return shipped.manifest("decision_tree", shipped.current("decision_tree"))


def texts(drawn: str) -> list[str]:
    """Every word of a picture that is sound XML."""
    return [each.text or "" for each in ET.fromstring(drawn).iter(f"{SVG}text")]


def boxes(drawn: str) -> int:
    return len(list(ET.fromstring(drawn).iter(f"{SVG}rect")))


def test_every_node_is_there(manifest: Manifest) -> None:
    """As many boxes as the trainer's tree has nodes, each threshold, and the rows that came there."""
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(IRIS, SPECIES)
    found = asked(model)
    drawn = picture(found.explainer, manifest)
    assert boxes(drawn) == model.tree_.node_count
    words = texts(drawn)
    for node in range(model.tree_.node_count):
        rows = f"{model.tree_.n_node_samples[node]} rows"
        if model.tree_.children_left[node] >= 0:
            condition = f"f{model.tree_.feature[node]} <= {model.tree_.threshold[node]:.6g}"
            assert any(word.startswith(condition) for word in words), condition
            assert rows in words
        else:
            assert any(word.endswith(f"% of {rows}") for word in words)
    assert words.count("yes or missing") + words.count("no or missing") == (model.tree_.node_count - 1) // 2
    assert picture(found.explainer, manifest) == drawn


def test_boxes_do_not_lie_on_each_other(manifest: Manifest) -> None:
    """Nor outside of the picture."""
    model = DecisionTreeRegressor(max_leaf_nodes=40, random_state=0).fit(DIABETES, PROGRESS)
    root = ET.fromstring(picture(asked(model).explainer, manifest))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = [
        tuple(float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
    ]
    assert len(found) == 79
    for place, (x, y, wide, high) in enumerate(found):
        assert x >= 0
        assert x + wide <= width
        assert y + high <= height
        for x2, y2, *_ in found[:place]:
            assert abs(x - x2) >= wide or abs(y - y2) >= high


def test_a_tree_with_one_answer_more_than_one_copy_knows(manifest: Manifest) -> None:
    """The copies that a graph needs for impure leaves are one tree again: shares as the trainer has them."""
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(IRIS, SPECIES)
    found = asked(model)
    assert found.explainer.forest is not None
    assert len(found.explainer.forest.roots) > 1
    drawn = picture(found.explainer, manifest)
    assert boxes(drawn) == model.tree_.node_count
    leaves = [node for node in range(model.tree_.node_count) if model.tree_.children_left[node] < 0]
    for node in leaves:
        share = f"{100 * model.tree_.value[node, 0].max():.3g} % of {model.tree_.n_node_samples[node]} rows"
        assert share in texts(drawn)


def test_names_are_never_markup(manifest: Manifest) -> None:
    """Whatever features, classes and descriptions are called; long ones are cut, and whole in the tooltip."""
    found = asked(DecisionTreeClassifier(max_depth=1, random_state=0).fit(IRIS, SPECIES))
    evil = '<script>alert("&amp;")</script>\x00\x1b' + "x" * 60
    signature = found.signature
    features = tuple(
        msgspec.structs.replace(feature, name=f"{evil}{number}", unit="<b>")
        for number, feature in enumerate(signature.features)
    )
    classes = tuple(f"{evil}{number}" for number in range(3))
    explainer = Explainer(found.model, Signature(features=features, classes=classes))
    card = msgspec.structs.replace(manifest.card, description=evil)
    drawn = picture(explainer, msgspec.structs.replace(manifest, card=card))
    root = ET.fromstring(drawn)
    assert {each.tag for each in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "title", "style", "text", "path", "g", "rect")
    }
    assert "<script" not in drawn
    assert all(len(word) <= max(24, int(root.attrib["width"]) // 9) for word in texts(drawn))
    assert any("x" * 60 in (title.text or "") for title in root.iter(f"{SVG}title"))


def test_scaled_columns_are_told(manifest: Manifest) -> None:
    """A threshold behind a scaler is none of the feature's own unit."""
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=1)).fit(IRIS, SPECIES)
    drawn = picture(asked(model).explainer, manifest)
    assert any(" (scaled) <= " in word for word in texts(drawn))


def test_rows_that_count_unequally(manifest: Manifest) -> None:
    """A weight is no number of rows."""
    weights = 0.3 + (load_iris().target == 1)
    model = DecisionTreeClassifier(max_depth=1).fit(IRIS, SPECIES, weights)
    assert any(word.startswith("weight ") for word in texts(picture(asked(model).explainer, manifest)))


def refusal(found: Asked, manifest: Manifest) -> str:
    with pytest.raises(NotExplainable) as refused:
        picture(found.explainer, manifest)
    return str(refused.value)


def test_what_cannot_be_drawn(manifest: Manifest, shipped: Store) -> None:
    """No tree, several trees, a tree that nobody could read."""
    linear = asked(LinearRegression().fit(DIABETES, PROGRESS))
    assert "cannot be drawn: it is no tree; a picture shows one" in refusal(linear, manifest)
    entry = shipped.read("random_forest", shipped.current("random_forest"))
    several = Explainer(entry.model, entry.manifest.signature)
    with pytest.raises(NotExplainable, match="it is made of 100 trees"):
        picture(several, entry.manifest)
    large = asked(DecisionTreeRegressor(max_leaf_nodes=65, random_state=0).fit(DIABETES, PROGRESS))
    assert f"129 nodes, and a picture shows up to {MOST_NODES}" in refusal(large, manifest)
    largest = asked(DecisionTreeRegressor(max_leaf_nodes=64, random_state=0).fit(DIABETES, PROGRESS))
    assert boxes(picture(largest.explainer, manifest)) == MOST_NODES


@pytest.mark.parametrize("name", ["heuristic", "decision_tree"])
def test_the_pictures_in_the_documentation_are_fresh(name: str, shipped: Store) -> None:
    """They are what ``mps explain NAME --picture docs/pictures/NAME.svg`` writes now."""
    entry = shipped.read(name, shipped.current(name))
    drawn = picture(Explainer(entry.model, entry.manifest.signature), entry.manifest)
    kept = Path(SHIPPED_REGISTRY).parent.parent / "docs" / "pictures" / f"{name}.svg"
    assert kept.read_text("utf-8") == drawn, f"run: mps explain {name} --picture docs/pictures/{name}.svg"
