"""Whether two models differ, both asked about the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student


class McNemar(NamedTuple):
    """Rows that only one of two models got right, and how odd such a split would be by chance."""

    only_first: int
    only_second: int
    p: float


class Resampled(NamedTuple):
    """Mean difference over the folds of a repeated cross-validation, first minus second."""

    difference: float
    low: float
    """With ``high``: 95 % interval of the difference."""
    high: float
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Exact two-sided McNemar test (1947, Psychometrika 12:153-157) on ``(n,)`` right-or-wrong of each.

    Rows on which both are right or both wrong say nothing; of the others each model wins half by chance.
    The binomial tail is counted and not approximated: on small tables a handful of rows decides.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    # whole numbers, divided once: no float is too small for half of a thousand rows
    tail = sum(comb(discordant, count) for count in range(fewer + 1))
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**discordant))


def corrected_resampled_t(differences: NDArray[Any], test_rows: float, train_rows: float) -> Resampled:
    """t test over the ``(k,)`` per-fold differences of a repeated k-fold cross-validation.

    The folds share training rows and are no independent draws, so that the plain test finds differences
    where there are none. Nadeau and Bengio (2003, Machine Learning 52:239-281) widen the variance by
    ``test_rows / train_rows``; Bouckaert and Frank (2004, PAKDD) use it for repeated k-fold as here.

    Raises:
        ValueError: fewer than two folds.
    """
    folds = len(differences)
    if folds < 2:
        raise ValueError(f"expected at least two folds, came {folds}")
    mean, variance = float(np.mean(differences)), float(np.var(differences, ddof=1))
    error = sqrt((1 / folds + test_rows / train_rows) * variance)
    if not error:
        return Resampled(mean, mean, mean, 0.0 if mean else 1.0)
    p = float(2 * student.sf(abs(mean) / error, folds - 1))
    reach = float(student.ppf(0.975, folds - 1)) * error
    return Resampled(mean, mean - reach, mean + reach, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted for being several (Holm 1979, Scand. J. Statist. 6:65-70), in the order given.

    The chance of any false alarm among all of them stays below the level that each is compared with.
    """
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, (len(p_values) - place) * p_values[number])
        adjusted[number] = min(1.0, highest)
    return adjusted
