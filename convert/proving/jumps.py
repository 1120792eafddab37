"""Finds where a model's answer jumps when its graph does not tell: the thresholds behind a projection, say.

From base rows, along one feature at a time, each interval over which the answer changes is halved until its
ends are neighbouring float64 numbers. Where they still differ is a threshold; smooth models have none.
"""

from __future__ import annotations

import numpy as np

from convert.coding import Matrix
from convert.proving.adversary import Ground
from convert.proving.margin import Judge
from convert.proving.splits import Split

BASES, INTERVALS = 32, 64
HALVINGS = 70
"""More than enough for any two float64 numbers inside a box of measurements."""
JUMP = 1e-3
"""Smallest change that is looked for, as a part of the largest change anywhere."""
MAX_ASKED_ROWS = 500_000
"""The intervals with the largest changes are followed first, and no more of them than this allows."""


def jumps(oracle: Judge, ground: Ground) -> list[Split]:
    """Features and the last value before each jump, sorted."""
    found: set[Split] = set()
    features = [number for number in range(ground.anchors.shape[1]) if number not in ground.strings]
    intervals = max(1, MAX_ASKED_ROWS // (HALVINGS * max(1, len(features))))
    for feature in features:
        found.update((feature, value) for value in _along(oracle, ground, feature, intervals))
    return sorted(found)


def _along(oracle: Judge, ground: Ground, feature: int, intervals: int) -> list[float]:
    bases = ground.anchors[:BASES]
    grid = np.linspace(ground.box[0][feature], ground.box[1][feature], INTERVALS + 1)
    answers = _ask(oracle, np.repeat(bases, len(grid), axis=0), feature, np.tile(grid, len(bases)))
    answers = answers.reshape(len(bases), len(grid), -1)
    change = _distance(answers[:, 1:], answers[:, :-1])
    smallest = JUMP * max(1e-300, float(np.ptp(answers, axis=(0, 1)).max()))
    base, interval = np.nonzero(change > smallest)
    largest = np.argsort(-change[base, interval], kind="stable")[:intervals]
    base, interval = base[largest], interval[largest]
    rows, low, high = bases[base], grid[interval], grid[interval + 1]
    before, after = answers[base, interval], answers[base, interval + 1]
    for _ in range(HALVINGS if len(rows) else 0):
        middle = low + (high - low) / 2
        answer = _ask(oracle, rows, feature, middle)
        nearer = _distance(answer, before) > _distance(after, answer)  # the larger change is on this side
        low, high = np.where(nearer, low, middle), np.where(nearer, middle, high)
        before = np.where(nearer[:, None], before, answer)
        after = np.where(nearer[:, None], answer, after)
    found: list[float] = low[_distance(after, before) > smallest].tolist()
    return found


def _ask(oracle: Judge, rows: Matrix, feature: int, values: Matrix) -> Matrix:
    """Numbers of the answers; of a model that gives labels only those."""
    asked = rows.copy()
    asked[:, feature] = values
    numbers = oracle.numbers(asked)
    return numbers if numbers.shape[1] else oracle.labels(asked)[:, None].astype(np.float64)


def _distance(one: Matrix, other: Matrix) -> Matrix:
    distance: Matrix = np.abs(one - other).max(axis=-1)
    return distance
