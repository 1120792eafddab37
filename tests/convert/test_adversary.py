"""The rows that try to catch a conversion are where they must be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.adversary import attack, survey, ties
from convert.graph import build
from convert.oracle import Oracle
from convert.splits import splits
from registry.manifest import Feature, Signature

X, y = load_iris(return_X_y=True)
FREE = Signature(features=tuple(Feature(name=f"f{n}", dtype="float64") for n in range(2)), classes=("a", "b"))
BOUND = Signature(
    features=tuple(Feature(name=f"f{n}", dtype="float64", minimum=0.0, maximum=4.0) for n in range(2)),
    classes=("a", "b"),
)


def test_thresholds_are_read_from_the_graph(tree: DecisionTreeClassifier) -> None:
    """The splits found in a tree's graph are the splits that the tree has."""
    inner = tree.tree_
    own = {(int(f), float(t)) for f, t in zip(inner.feature, inner.threshold, strict=True) if f >= 0}
    assert splits(build(Oracle(tree), "t", "float32")) == sorted(own)


def test_thresholds_of_boosted_trees() -> None:
    """The splits found in xgboost's graph are those of its own dump."""
    boosted = XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1).fit(X, y)
    found = splits(build(Oracle(boosted), "b", "float32"))
    text = "".join(boosted.get_booster().get_dump())
    own = {(int(f), float(np.float32(t))) for f, t in re.findall(r"\[f(\d+)<([^\]]+)\]", text)}
    assert found == sorted(own)


def test_thresholds_behind_a_scaler_are_no_input_values() -> None:
    """Splits on scaled values are left out: no row could be put beside them."""
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)).fit(X, y)
    assert splits(build(Oracle(pipeline), "p", "float64")) == []


def test_rows_stand_on_and_beside_each_threshold() -> None:
    """Each threshold is tried itself and one ulp to each side, in float64 and in float32."""
    threshold = 0.7
    rows = attack(survey(FREE, [(1, threshold)], None), [(1, threshold)], 10)["thresholds"]
    single = np.float32(threshold)
    expected = {threshold, float(single)}
    expected |= {float(np.nextafter(threshold, way)) for way in (-np.inf, np.inf)}
    expected |= {float(np.nextafter(single, np.float32(way))) for way in (-np.inf, np.inf)}
    assert set(rows[:, 1]) == expected
    assert len(set(rows[:, 0])) > 10


def test_every_region_is_visited() -> None:
    """One row lies in each of the regions that the thresholds cut; too many regions are left out."""
    known = [(0, 1.0), (0, 2.0), (1, 3.0)]
    ground = survey(FREE, known, None)
    rows = attack(ground, known, 100)["regions"]
    assert len(rows) == len({(a > 1, a > 2, b > 3) for a, b in rows}) == 6
    assert "regions" not in attack(ground, known, 1)


@pytest.mark.parametrize("data", [None, np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 4.0]])])
def test_nothing_leaves_the_allowed_range(data: NDArray[np.float64] | None) -> None:
    """No row has a value that the signature forbids, even where a threshold is outside of it."""
    known = [(0, 0.0), (1, 4.0), (1, 9.0)]
    kinds = attack(survey(BOUND, known, data), known, 1_000)
    for rows in kinds.values():
        assert ((rows >= 0) & (rows <= 4)).all()
    assert {0.0, 4.0} <= set(kinds["extremes"].ravel())
    assert "missing" not in kinds


def test_both_zeros_are_tried() -> None:
    """Minus zero is among the extremes, and not only as plain zero."""
    for signature in (FREE, BOUND):
        rows = attack(survey(signature, [], None), [], 10)["extremes"]
        assert np.signbit(rows[rows == 0]).any()
        assert not np.signbit(rows[rows == 0]).all()


def test_missing_values_where_allowed() -> None:
    """Each feature that may be missing is missing alone and with the others; no other feature ever is."""
    features = [Feature(name=f"f{n}", dtype="float64", may_be_missing=n < 2) for n in range(3)]
    signature = Signature(features=tuple(features), classes=("a",))
    data = np.array([[1.0, np.nan, 2.0]])
    rows = attack(survey(signature, [], data), [], 10)["missing"]
    assert {tuple(np.isnan(row)) for row in rows} >= {(True, True, False), (False, True, False)}
    assert not np.isnan(rows[:, 2]).any()


def test_ties_are_the_closest_rows() -> None:
    """Rows whose best two probabilities are (nearly) equal are found, the closest first, clear ones not."""
    rows = np.arange(4.0)[:, None]
    found = ties(rows, np.array([[0.9, 0.1], [0.5002, 0.4998], [0.5, 0.5], [0.6, 0.4]]))
    assert found.ravel().tolist() == [2.0, 1.0]
    assert len(ties(rows, np.ones((4, 1)))) == 0
