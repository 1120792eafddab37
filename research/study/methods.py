"""Every method of a study on one family: which rows are held out, and what the models answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from tqdm import tqdm

from research.study.results import Pick
from research.study.rows import Rows
from research.study.specification import (
    HoldOut,
    LeaveOneOut,
    Methods,
    Nested,
    OutOfBag,
    RepeatedKFold,
    Sampled,
)
from research.validation import folds as ways
from research.validation.heldout import HeldOut, held_out, nested, out_of_bag

ORDER = ("repeated_k_fold", "leave_one_out", "hold_out", "out_of_bag", "nested")


@dataclass(frozen=True)
class Candidate:
    """A family on its rows, ready to be validated."""

    name: str
    kind: str
    estimator: Any
    grid: dict[str, list[Any]]
    rows: Rows
    seed: int
    parameters: dict[str, Any]
    """Those that the study sets."""

    @property
    def stratified(self) -> bool:
        """Whether folds keep the share of each class."""
        return bool(self.rows.classes)


@dataclass(frozen=True)
class Validated:
    """What one method gave for one family."""

    method: str
    how: str
    """In words, for the report and the card."""
    repeats: tuple[HeldOut, ...]
    train_rows: float
    """Mean size of a training part."""
    picks: tuple[Pick, ...] = ()


def validate(candidate: Candidate, methods: Methods) -> tuple[list[Validated], dict[str, str]]:
    """Use every method that the study names.

    Returns:
        What each gave, and method to why it was left out.
    """
    done: list[Validated] = []
    left_out: dict[str, str] = {}
    for name in ORDER:
        if (method := getattr(methods, name)) is None:
            continue
        if reason := _unfit(candidate, method):
            left_out[name] = reason
        else:
            done.append(_run(_sampled(candidate, method), name, method))
    return done, left_out


def _unfit(candidate: Candidate, method: Sampled) -> str:
    if isinstance(method, OutOfBag) and candidate.kind != "random_forest":
        return "only a forest has trees that did not see a row"
    if isinstance(method, Nested) and not candidate.grid:
        return "no grid: there is nothing to search for"
    return ""


def _sampled(candidate: Candidate, method: Sampled) -> Candidate:
    rows = candidate.rows
    if method.rows is None or method.rows >= len(rows.y):
        return candidate
    chosen = ways.sample(rows.y, method.rows, candidate.seed, candidate.stratified)
    smaller = Rows(rows.name, rows.features, rows.X[chosen], rows.y[chosen], rows.classes, rows.units)
    return replace(candidate, rows=smaller)


def _run(candidate: Candidate, name: str, method: Sampled) -> Validated:
    rows = len(candidate.rows.y)
    of = f"of a sample of {rows:,} rows" if method.rows is not None else f"of {rows:,} rows"
    match method:
        case LeaveOneOut():
            folds = _shown(ways.leave_one_out(rows), rows, candidate, name)
            return Validated(name, f"leave-one-out {of}", (_held_out(candidate, folds),), rows - 1)
        case RepeatedKFold():
            return _repeated(candidate, name, method, of)
        case HoldOut():
            fold = ways.hold_out(candidate.rows.y, method.share, candidate.seed, candidate.stratified)
            how = f"hold-out of {method.share:.0%} {of}, seed {candidate.seed}"
            found = _held_out(candidate, _shown([fold], 1, candidate, name))
            return Validated(name, how, (found,), len(fold[0]))
        case Nested():
            return _nested(candidate, name, method, of)
    forest = out_of_bag(candidate.estimator, candidate.rows.X, candidate.rows.y)
    return Validated(name, f"out-of-bag {of}", (forest,), rows)


def _repeated(candidate: Candidate, name: str, method: RepeatedKFold, of: str) -> Validated:
    y, seed = candidate.rows.y, candidate.seed
    seeds = range(seed, seed + method.repeats)
    every = [ways.k_fold(y, method.folds, each, candidate.stratified) for each in seeds]
    total = method.folds * method.repeats
    with tqdm(total=total, desc=f"{candidate.name}: {name}", unit="fit", disable=None, leave=False) as bar:
        repeats = tuple(_held_out(candidate, _ticking(folds, bar)) for folds in every)
    kind = "stratified " if candidate.stratified else ""
    how = f"{kind}{method.folds}-fold cross-validation {of}, {method.repeats} times, seeds from {seed}"
    return Validated(name, how, repeats, len(y) * (1 - 1 / method.folds))


def _nested(candidate: Candidate, name: str, method: Nested, of: str) -> Validated:
    y, seed = candidate.rows.y, candidate.seed
    folds = ways.k_fold(y, method.folds, seed, candidate.stratified)
    outer = _shown(folds, method.folds, candidate, name)
    grid = candidate.grid
    found, picked = nested(candidate.estimator, grid, candidate.rows.X, y, outer, method.inner, seed)
    counted = Counter(msgspec.json.encode(_plain(each), order="sorted") for each in picked)
    picks = tuple(
        Pick(parameters=msgspec.json.decode(text), folds=count)
        for text, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )
    how = f"nested {method.folds}-fold cross-validation {of}, {method.inner}-fold search inside"
    return Validated(name, how, (found,), len(y) * (1 - 1 / method.folds), picks)


def _plain(picked: dict[str, Any]) -> dict[str, Any]:
    """Without the prefix of a pipeline's step."""
    return {key.rpartition("__")[2]: value for key, value in picked.items()}


def _held_out(candidate: Candidate, folds: Iterable[ways.Fold]) -> HeldOut:
    return held_out(candidate.estimator, candidate.rows.X, candidate.rows.y, folds)


def _shown(folds: Iterable[ways.Fold], total: int, candidate: Candidate, name: str) -> Iterable[ways.Fold]:
    """With a progress bar, where somebody is looking."""
    bar: Iterable[ways.Fold] = tqdm(
        folds, total=total, desc=f"{candidate.name}: {name}", unit="fit", disable=None, leave=False
    )
    return bar


def _ticking(folds: Iterable[ways.Fold], bar: Any) -> Iterator[ways.Fold]:
    for fold in folds:
        yield fold
        bar.update()
