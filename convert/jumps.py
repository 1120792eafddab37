"""Finds where a model's answer jumps, when its graph does not tell: the thresholds behind a scaler, for one.

From base rows, along one feature at a time, each interval over which the probabilities change is halved until
its ends are neighbouring float64 numbers. Where they still differ is a threshold; smooth models have none.
"""

from __future__ import annotations

import numpy as np

from convert.adversary import Ground, Matrix
from convert.oracle import Oracle
from convert.splits import Split

BASES, INTERVALS = 32, 64
HALVINGS = 70
"""More than enough for any two float64 numbers inside a box of measurements."""
JUMP = 1e-3
"""Smallest change of a probability that is looked for."""


def jumps(oracle: Oracle, ground: Ground) -> list[Split]:
    """Features and the last value before each jump, sorted."""
    found: set[Split] = set()
    for feature in range(oracle.n_features):
        found.update((feature, value) for value in _along(oracle, ground, feature))
    return sorted(found)


def _along(oracle: Oracle, ground: Ground, feature: int) -> list[float]:
    bases = ground.anchors[:BASES]
    grid = np.linspace(ground.box[0][feature], ground.box[1][feature], INTERVALS + 1)
    answers = _ask(oracle, np.repeat(bases, len(grid), axis=0), feature, np.tile(grid, len(bases)))
    answers = answers.reshape(len(bases), len(grid), -1)
    base, interval = np.nonzero(_distance(answers[:, 1:], answers[:, :-1]) > JUMP)
    rows, low, high = bases[base], grid[interval], grid[interval + 1]
    before, after = answers[base, interval], answers[base, interval + 1]
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        answer = _ask(oracle, rows, feature, middle)
        nearer = _distance(answer, before) > _distance(after, answer)  # the larger change is on this side
        low, high = np.where(nearer, low, middle), np.where(nearer, middle, high)
        before = np.where(nearer[:, None], before, answer)
        after = np.where(nearer[:, None], answer, after)
    found: list[float] = low[_distance(after, before) > JUMP].tolist()
    return found


def _ask(oracle: Oracle, rows: Matrix, feature: int, values: Matrix) -> Matrix:
    asked = rows.copy()
    asked[:, feature] = values
    return oracle.probabilities(asked) if len(asked) else np.empty((0, len(oracle.classes)))


def _distance(one: Matrix, other: Matrix) -> Matrix:
    distance: Matrix = np.abs(one - other).max(axis=-1)
    return distance
