"""Trees and forests of scikit-learn: every label and every bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier

from convert.graphs.families.trees import CLASSIFIERS, REGRESSORS, rounded_down
from registry.errors import BrokenEntry
from registry.store import Store
from server.model import Model
from server.settings import SHIPPED_REGISTRY
from tests.convert.proof import around, prove, punched

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)


def small(kind: type[Any]) -> Any:
    """One that fits quickly."""
    forest = {"n_estimators": 7} if "n_estimators" in kind().get_params() else {}
    return kind(max_depth=5, random_state=0, **forest)


@pytest.mark.parametrize("kind", CLASSIFIERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classifiers_are_exact(kind: type[Any], dtype: Any) -> None:
    """Beside every threshold too, whichever input the graph takes."""
    model = small(kind).fit(IRIS, SPECIES)
    found = prove(model, around(model, IRIS), dtype)
    assert found[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("kind", REGRESSORS, ids=lambda kind: kind.__name__)
def test_regressors_are_exact(kind: type[Any]) -> None:
    """The same for values."""
    model = small(kind).fit(DIABETES, PROGRESS)
    assert prove(model, around(model, DIABETES))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS], ids=lambda kind: kind.__name__)
def test_missing_values_go_where_the_trainer_sends_them(kind: type[Any]) -> None:
    """A tree that was fitted with holes in the data has learnt a way for each."""
    model = small(kind).fit(punched(IRIS), SPECIES)
    rows = punched(around(model, IRIS), seed=1)
    assert np.isnan(rows).any()
    assert prove(model, rows)[1:] == (0, 0, 0.0)


def test_votes_of_pure_leaves() -> None:
    """A forest of pure leaves counts votes, ties included: the first of the most voted classes wins."""
    rng = np.random.default_rng(0)
    X, y = rng.uniform(0, 8, (40, 2)), rng.integers(0, 2, 40)
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    rows = rng.uniform(-1, 9, (5_000, 2))
    assert (model.predict_proba(rows) == 0.5).any()
    assert prove(model, rows)[1:] == (0, 0, 0.0)


def test_thresholds_round_down() -> None:
    """To the largest float32 that is not above: itself, one below, or the largest or smallest of all."""
    double = np.array([0.5, 0.1, 0.7, 1e300, -1e300])
    greatest = float(np.finfo(np.float32).max)
    tenth = float(np.nextafter(np.float32(0.1), np.float32(0)))
    assert rounded_down(double).tolist() == [0.5, tenth, float(np.float32(0.7)), greatest, -np.inf]


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_any_small_forest_is_exact(trees: int, classes: int, depth: int, seed: int, weighted: bool) -> None:
    """One class, one tree, constant features, sample weights, vote ties: nothing is special."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3)).round(1)
    X[:, 2] = 1.0
    y = rng.integers(0, classes, 60)
    weights = rng.uniform(0.1, 3, 60) if weighted else None
    model = RandomForestClassifier(trees, max_depth=depth, random_state=seed).fit(X, y, weights)
    assert prove(model, around(model, X, 300, seed))[1:] == (0, 0, 0.0)


def test_golden_rows_catch_a_root_taken_for_a_leaf() -> None:
    """So onnxruntime 1.21 to 1.23 read a root whose children, a leaf and a split, have the same number."""
    entry = Store(Path(SHIPPED_REGISTRY)).read("random_forest", 1)
    model = onnx.load_from_string(entry.model)
    trees = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    found = {attribute.name: attribute.ints for attribute in trees.attribute}
    children = [found[f"nodes_{side}nodeids"] for side in ("true", "false")]
    leaves = [found[f"nodes_{side}leafs"] for side in ("true", "false")]
    roots = [root for root in found["tree_roots"] if children[0][root] == children[1][root]]
    assert roots
    for root in roots:
        leaves[0][root] = leaves[1][root] = 1
    Model(entry)
    with pytest.raises(BrokenEntry, match=r"random_forest@1: \d+ of \d+ golden rows fail"):
        Model(msgspec.structs.replace(entry, model=model.SerializeToString()))
