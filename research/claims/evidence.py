"""What the study of iris does not ask: other splits, derived features, fewer and more trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from tqdm import tqdm

from research.study.methods import Candidate
from research.study.rows import Rows
from research.study.running import per_fold
from research.validation.folds import hold_out, k_fold
from research.validation.heldout import held_out
from research.validation.intervals import wilson
from research.validation.paired import corrected_resampled_t, holm

SPLITS, SHARE = 100, 0.3
FOLDS, REPEATS = 10, 5
TREES = (1, 2, 5, 10, 20, 50, 100, 200)
ROUNDS = (1, 2, 5, 10, 20, 50, 100, 200)
TREE_MODELS = ("decision_tree", "random_forest", "xgboost")


class Splits(msgspec.Struct, frozen=True, kw_only=True):
    """Hold-out accuracies of one family, one per seed from 0."""

    family: str
    accuracies: tuple[float, ...]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validated accuracy with so many trees, or rounds."""

    trees: int
    accuracy: float
    low: float
    high: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validated difference between two ways, positive where the second is better."""

    name: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    """Adjusted for all comparisons of the same claim."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found, as written to ``evidence.json``."""

    share: float
    splits: tuple[Splits, ...]
    folds: int
    repeats: int
    area: tuple[Change, ...]
    """With ``petal_area`` and ``sepal_area`` against without."""
    more_trees: tuple[Change, ...]
    forest: tuple[Point, ...]
    boosting: tuple[Point, ...]


def gather(
    entered: Sequence[Candidate],
    splits: int = SPLITS,
    repeats: int = REPEATS,
    trees: Sequence[int] = TREES,
    rounds: Sequence[int] = ROUNDS,
) -> Evidence:
    """Ask everything of the families of the iris study; ``trees`` and ``rounds`` begin with 1."""
    known = {each.name: each for each in entered}
    tree_models = [known[name] for name in TREE_MODELS]
    plain = {each.name: _folds(each, each.rows, repeats) for each in tree_models}
    derived = with_areas(entered[0].rows)
    area = [(each.name, _folds(each, derived, repeats) - plain[each.name]) for each in tree_models]
    forest = {count: _folds(known["random_forest"], None, repeats, count) for count in _bar(trees, "trees")}
    boosting = {count: _folds(known["xgboost"], None, repeats, count) for count in _bar(rounds, "rounds")}
    rows = len(entered[0].rows.y)
    most, longest = max(trees), max(rounds)
    more = [
        ("decision tree to forest", plain["random_forest"] - plain["decision_tree"]),
        ("decision tree to xgboost", plain["xgboost"] - plain["decision_tree"]),
        (f"forest of 1 tree to {most}", forest[most] - forest[1]),
        (f"xgboost of 1 round to {longest}", boosting[longest] - boosting[1]),
    ]
    return Evidence(
        share=SHARE,
        splits=tuple(_splits(each, splits) for each in entered),
        folds=FOLDS,
        repeats=repeats,
        area=_changes(area, rows),
        more_trees=_changes(more, rows),
        forest=tuple(_point(count, found, rows) for count, found in forest.items()),
        boosting=tuple(_point(count, found, rows) for count, found in boosting.items()),
    )


def with_areas(rows: Rows) -> Rows:
    """The same flowers with length times width of petal and sepal, in cm², as two more columns."""
    at = {name: rows.X[:, number] for number, name in enumerate(rows.features)}
    petal, sepal = (at[f"{part}_length"] * at[f"{part}_width"] for part in ("petal", "sepal"))
    names = (*rows.features, "petal_area", "sepal_area")
    return Rows(rows.name, names, np.column_stack([rows.X, petal, sepal]), rows.y, rows.classes, rows.units)


def _bar(counts: Sequence[int], unit: str) -> Any:
    return tqdm(counts, desc=f"more {unit}", disable=None, leave=False)


def _folds(each: Candidate, rows: Rows | None, repeats: int, trees: int | None = None) -> NDArray[np.float64]:
    """Accuracy of every fold of every repeat, ``(repeats * FOLDS,)``; the same folds for everyone."""
    rows = rows or each.rows
    model = clone(each.estimator)
    if trees:
        model.set_params(n_estimators=trees)
    every = (k_fold(rows.y, FOLDS, each.seed + repeat, True) for repeat in range(repeats))
    return per_fold([held_out(model, rows.X, rows.y, folds) for folds in every], True)


def _splits(each: Candidate, splits: int) -> Splits:
    rows = each.rows
    seeds = tqdm(range(splits), desc=f"{each.name}: splits", unit="fit", disable=None, leave=False)
    found = [
        held_out(each.estimator, rows.X, rows.y, [hold_out(rows.y, SHARE, seed, True)]) for seed in seeds
    ]
    return Splits(family=each.name, accuracies=tuple(float(each.right.mean()) for each in found))


def _changes(differences: Sequence[tuple[str, NDArray[np.float64]]], rows: int) -> tuple[Change, ...]:
    test_rows = rows / FOLDS
    tests = [corrected_resampled_t(found, test_rows, rows - test_rows) for _, found in differences]
    adjusted = holm([each.p for each in tests])
    return tuple(
        Change(name=name, difference=t.difference, low=t.low, high=t.high, p=t.p, p_holm=p)
        for (name, _), t, p in zip(differences, tests, adjusted, strict=True)
    )


def _point(count: int, found: NDArray[np.float64], rows: int) -> Point:
    """The folds are of one size, so that their mean is the mean over rows."""
    share = float(found.mean())
    low, high = wilson(share * rows, rows)
    return Point(trees=count, accuracy=share, low=low, high=high)
