"""The rows that try to catch a conversion are where they must be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.coding import Coding
from convert.proving import adversary
from convert.proving.adversary import attack, survey, ties
from registry.manifest import Feature, Signature

FREE = Signature(features=tuple(Feature(name=f"f{n}", dtype="float64") for n in range(2)), classes=("a", "b"))
BOUND = Signature(
    features=tuple(Feature(name=f"f{n}", dtype="float64", minimum=0.0, maximum=4.0) for n in range(2)),
    classes=("a", "b"),
)
PLAIN = Coding(("f0", "f1"))


def test_rows_stand_on_and_beside_each_threshold() -> None:
    """Each threshold is tried itself and one ulp to each side, in float64 and in float32."""
    threshold = 0.7
    rows = attack(survey(FREE, [(1, threshold)], None, PLAIN), [(1, threshold)], 10)["thresholds"]
    single = np.float32(threshold)
    expected = {threshold, float(single)}
    expected |= {float(np.nextafter(threshold, way)) for way in (-np.inf, np.inf)}
    expected |= {float(np.nextafter(single, np.float32(way))) for way in (-np.inf, np.inf)}
    assert set(rows[:, 1]) == expected
    assert len(set(rows[:, 0])) > 10


def test_every_region_is_visited() -> None:
    """One row lies in each of the regions that the thresholds cut; too many regions are left out."""
    known = [(0, 1.0), (0, 2.0), (1, 3.0)]
    ground = survey(FREE, known, None, PLAIN)
    rows = attack(ground, known, 100)["regions"]
    assert len(rows) == len({(a > 1, a > 2, b > 3) for a, b in rows}) == 6
    assert "regions" not in attack(ground, known, 1)


@pytest.mark.parametrize("data", [None, np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 4.0]])])
def test_nothing_leaves_the_allowed_range(data: NDArray[np.float64] | None) -> None:
    """No row has a value that the signature forbids, even where a threshold is outside of it."""
    known = [(0, 0.0), (1, 4.0), (1, 9.0)]
    kinds = attack(survey(BOUND, known, data, PLAIN), known, 1_000)
    for rows in kinds.values():
        assert ((rows >= 0) & (rows <= 4)).all()
    assert {0.0, 4.0} <= set(kinds["extremes"].ravel())
    assert "missing" not in kinds


def test_both_zeros_are_tried() -> None:
    """Minus zero is among the extremes, and not only as plain zero."""
    for signature in (FREE, BOUND):
        rows = attack(survey(signature, [], None, PLAIN), [], 10)["extremes"]
        assert np.signbit(rows[rows == 0]).any()
        assert not np.signbit(rows[rows == 0]).all()


def test_missing_values_where_allowed() -> None:
    """Each feature that may be missing is missing alone and with the others; no other feature ever is."""
    features = [Feature(name=f"f{n}", dtype="float64", may_be_missing=n < 2) for n in range(3)]
    signature = Signature(features=tuple(features), classes=("a",))
    data = np.array([[1.0, np.nan, 2.0]])
    rows = attack(survey(signature, [], data, Coding(("f0", "f1", "f2"))), [], 10)["missing"]
    assert {tuple(np.isnan(row)) for row in rows} >= {(True, True, False), (False, True, False)}
    assert not np.isnan(rows[:, 2]).any()


def test_infinity_where_nothing_forbids_it() -> None:
    """A feature without a bound is tried at infinity, of the sign that has no bound."""
    half = Signature(
        features=(Feature(name="f0", dtype="float64"), Feature(name="f1", dtype="float64", minimum=0.0)),
        classes=("a", "b"),
    )
    rows = attack(survey(half, [], None, PLAIN), [], 10)["infinite"]
    assert {tuple(row) for row in np.where(np.isinf(rows), rows, 0.0).tolist()} == {
        (-np.inf, 0.0),
        (np.inf, 0.0),
        (0.0, np.inf),
    }
    assert "infinite" not in attack(survey(BOUND, [], None, PLAIN), [], 10)


def test_strings_are_tried_one_by_one() -> None:
    """A feature of strings takes every one of its strings and nothing between two of them."""
    mixed = Signature(
        features=(Feature(name="colour", dtype="string"), Feature(name="f1", dtype="float64")),
        classes=("a", "b"),
    )
    coding = Coding(("colour", "f1"), {0: ("red", "green", "blue")})
    kinds = attack(survey(mixed, [(1, 0.5)], None, coding), [(1, 0.5)], 300)
    for kind in ("thresholds", "regions", "random"):
        assert set(kinds[kind][:, 0].tolist()) == {0.0, 1.0, 2.0}
    assert set(kinds["extremes"][:, 0].tolist()) == {0.0, 2.0}  # the first and the last
    assert len(kinds["regions"]) == 3 * 2


def test_ties_are_the_closest_rows() -> None:
    """Rows whose best two probabilities are (nearly) equal are found, the closest first, clear ones not."""
    rows = np.arange(4.0)[:, None]
    found = ties(rows, np.array([[0.9, 0.1], [0.5002, 0.4998], [0.5, 0.5], [0.6, 0.4]]))
    assert found.ravel().tolist() == [2.0, 1.0]
    assert len(ties(rows, np.ones((4, 1)))) == 0


def test_an_ensemble_with_very_many_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them are tried, the same ones each time."""
    monkeypatch.setattr(adversary, "MAX_SPLITS", 10)
    known = [(0, value / 100) for value in range(100)]
    ground = survey(FREE, known, None, PLAIN)
    first, second = (attack(ground, known, 10)["thresholds"] for _ in range(2))
    tried = {value for _, value in known} & set(first[:, 0].tolist())
    assert 10 <= len(tried) <= 20  # the neighbour of one may be another
    assert first.tolist() == second.tolist()
