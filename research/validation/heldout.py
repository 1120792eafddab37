"""Answers to rows that the answering model has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from research.validation.folds import Fold, k_fold


@dataclass(frozen=True)
class HeldOut:
    """Of ``n`` asked rows, in the order of ``rows``."""

    rows: NDArray[np.int64]
    """Row numbers, ``(n,) int64``."""
    truth: NDArray[Any]
    """``(n,)`` right answers: class index (int64), or value (float64)."""
    answers: NDArray[Any]
    """``(n,)`` what was answered, of the same dtype."""
    probabilities: NDArray[np.float64] | None
    """``(n, classes)``; None: a regression."""
    folds: NDArray[np.int64]
    """``(n,)``: which fold asked the row."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """``(n,)``; of a classifier."""
        found: NDArray[np.bool_] = self.answers == self.truth
        return found

    def by_row(self) -> HeldOut:
        """The same with rows ascending, so that two models can be compared row by row."""
        order = np.argsort(self.rows, kind="stable")
        probabilities = None if self.probabilities is None else self.probabilities[order]
        return HeldOut(
            self.rows[order], self.truth[order], self.answers[order], probabilities, self.folds[order]
        )


def held_out(estimator: Any, X: NDArray[np.float64], y: NDArray[Any], folds: Iterable[Fold]) -> HeldOut:
    """Fit a fresh copy for each fold and ask it about the rows left out.

    ``X`` is ``(n, features)``, ``y`` ``(n,)``: classes ``0 … k-1`` as int64, or values as float64. A class
    that a training part lacks has the probability 0 there.
    """
    classes = int(y.max()) + 1 if y.dtype.kind == "i" else 0
    parts = []
    for number, (train, test) in enumerate(folds):
        model = clone(estimator).fit(X[train], y[train])
        spread = _spread(model, X[test], classes) if classes else np.empty((len(test), 0))
        answers = np.asarray(model.predict(X[test])).astype(y.dtype)
        parts.append((test, y[test], answers, spread, np.full(len(test), number)))
    rows, truth, given, probabilities, asked = map(np.concatenate, zip(*parts, strict=True))
    return HeldOut(rows, truth, given, probabilities if classes else None, asked)


def nested(
    estimator: Any,
    grid: dict[str, list[Any]],
    X: NDArray[np.float64],
    y: NDArray[Any],
    outer: Iterable[Fold],
    inner: int,
    seed: int,
) -> tuple[HeldOut, list[dict[str, Any]]]:
    """Answers of models whose parameters were searched for without the rows that they are asked about.

    Within each outer training part an inner k-fold search picks from the grid (Varma and Simon 2006, BMC
    Bioinformatics 7:91: a search that is judged on its own folds flatters itself).

    Returns:
        The answers, and what each outer fold picked.
    """
    picked: list[dict[str, Any]] = []
    parts: list[HeldOut] = []
    stratified = y.dtype.kind == "i"
    for number, (train, test) in enumerate(outer):
        folds = k_fold(y[train], inner, seed, stratified)
        search = GridSearchCV(clone(estimator), grid, cv=folds, n_jobs=1, refit=False, error_score="raise")
        search.fit(X[train], y[train])
        picked.append(dict(search.best_params_))
        best = clone(estimator).set_params(**search.best_params_)
        part = held_out(best, X, y, [(train, test)])
        parts.append(HeldOut(part.rows, part.truth, part.answers, part.probabilities, part.folds + number))
    return _joined(parts), picked


def out_of_bag(forest: Any, X: NDArray[np.float64], y: NDArray[Any]) -> HeldOut:
    """Each row answered by the trees that were not grown on it (Breiman 2001, Machine Learning 45:5-32).

    Rows that every tree saw are left out. ``forest`` knows ``oob_score``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rows that every tree saw: they are left out below
        model = clone(forest).set_params(oob_score=True).fit(X, y)
    unseen = np.zeros(len(y), np.bool_)
    for drawn in model.estimators_samples_:
        unseen |= ~np.isin(np.arange(len(y)), drawn)
    rows = np.flatnonzero(unseen)
    once = np.zeros(len(rows), np.int64)
    if y.dtype.kind != "i":
        return HeldOut(rows, y[rows], model.oob_prediction_.reshape(-1)[rows], None, once)
    votes = model.oob_decision_function_[rows]
    return HeldOut(rows, y[rows], votes.argmax(axis=1).astype(np.int64), votes, once)


def _spread(model: Any, rows: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Probabilities with a column for every class, also for those that the model never saw."""
    found = np.zeros((len(rows), classes))
    found[:, np.asarray(model.classes_, np.int64)] = model.predict_proba(rows)
    return found


def _joined(parts: list[HeldOut]) -> HeldOut:
    columns = [(part.rows, part.truth, part.answers, part.folds) for part in parts]
    rows, truth, answers, folds = map(np.concatenate, zip(*columns, strict=True))
    spreads = [part.probabilities for part in parts if part.probabilities is not None]
    return HeldOut(rows, truth, answers, np.concatenate(spreads) if spreads else None, folds)
