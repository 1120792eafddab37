"""Held-out answers to scores with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.study.results import Calibration, Confusion, Score
from research.validation.calibration import brier, expected_calibration_error, reliability
from research.validation.confusion import confusion, per_class
from research.validation.heldout import HeldOut
from research.validation.intervals import bootstrap, wilson

WILSON, BOOTSTRAP = "Wilson interval", "bootstrap interval"


def r2(truth: NDArray[Any], answers: NDArray[Any]) -> float:
    """Coefficient of determination of ``(n,)`` values; NaN where all are the same."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - answers) ** 2).sum() / spread) if spread else float("nan")


def mae(truth: NDArray[Any], answers: NDArray[Any]) -> float:
    """Mean absolute error, in the unit of the answers."""
    return float(np.abs(truth - answers).mean())


def scores(method: str, how: str, repeats: Sequence[HeldOut]) -> list[Score]:
    """Accuracy, or R² and mean absolute error, as the mean over repeats that asked the same rows."""
    if repeats[0].probabilities is not None:
        return [_accuracy(method, how, repeats)]
    return [
        _of_values(method, how, repeats, "r2", r2),
        _of_values(method, how, repeats, "mae", mae),
    ]


def _accuracy(method: str, how: str, repeats: Sequence[HeldOut]) -> Score:
    """The interval is that of the rows, and not of rows times repeats: a repeat sees no new flower."""
    rows = len(repeats[0].rows)
    right = float(np.mean([each.right.sum() for each in repeats]))
    low, high = wilson(right, rows)
    return Score(
        method=method, metric="accuracy", value=right / rows, low=low, high=high, rows=rows,
        how=f"{how}; {WILSON}",
    )  # fmt: skip


def _of_values(method: str, how: str, repeats: Sequence[HeldOut], metric: str, statistic: Any) -> Score:
    """Answers of one row by several repeats stay together when rows are drawn."""
    truth = repeats[0].by_row().truth
    answers = np.stack([each.by_row().answers for each in repeats], axis=1)

    def mean(right: NDArray[Any], given: NDArray[Any]) -> float:
        return float(np.mean([statistic(right, column) for column in given.T]))

    low, high = bootstrap(mean, truth, answers)
    return Score(
        method=method, metric=metric, value=mean(truth, answers), low=low, high=high, rows=len(truth),
        how=f"{how}; {BOOTSTRAP}",
    )  # fmt: skip


def calibration(method: str, how: str, found: HeldOut) -> Calibration:
    """Of the held-out probabilities of a classifier."""
    spread = found.probabilities
    assert spread is not None
    truth = found.truth

    def error(probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
        return expected_calibration_error(reliability(probabilities, labels))

    def score(metric: str, statistic: Any, with_interval: bool) -> Score:
        low, high = bootstrap(statistic, spread, truth) if with_interval else (None, None)
        return Score(
            method=method, metric=metric, value=statistic(spread, truth), low=low, high=high,
            rows=len(truth), how=f"{how}; {BOOTSTRAP}" if with_interval else how,
        )  # fmt: skip

    return Calibration(
        how=how,
        brier=score("brier", brier, True),
        # a resample has gaps of its own, so that its error is larger: its percentiles would miss the figure
        expected_error=score("expected_calibration_error", error, False),
        bins=reliability(spread, truth),
    )


def confused(how: str, found: HeldOut, names: tuple[str, ...]) -> Confusion:
    """Which class was taken for which."""
    counts = confusion(found.truth, found.answers, len(names))
    return Confusion(
        how=how,
        counts=tuple(tuple(row) for row in counts.tolist()),
        classes=per_class(counts, names),
    )
