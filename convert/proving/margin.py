"""The trained model's own answers close to a row: where it wavers itself, any of them is right.

Sums of products have no order that anybody promises: the trained model's last bits change with the size of
the batch and with the processor. Where a tie or a threshold turns such a last bit into another label, the
answer is held against what the model says when each input moves by a few units in the last place of float64.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convert.coding import Coding, Matrix
from registry.manifest import Bound, Label
from server.session import Answers, within

MOVES = 64
"""Random moves of each row; single features and all together move to the edge as well."""
TOGETHER = 256
"""Rows whose surroundings are asked for in one go."""
MAX_ROWS = 5_000
"""More rows than this are not looked into: so many are no accident."""
SEED = 0


class Judge(Protocol):
    """What the comparison asks of a trained model; ``convert.oracle.Oracle`` is one."""

    @property
    def describe(self) -> str:
        """Library, version and class."""

    @property
    def classes(self) -> tuple[Label, ...]:
        """None: a regression."""

    @property
    def coding(self) -> Coding:
        """How strings stand in the rows."""

    def labels(self, rows: Matrix) -> NDArray[np.int64]:
        """Class indices ``(n,)``, or ``(0,)``."""

    def numbers(self, rows: Matrix) -> Matrix:
        """``(n, classes)``, ``(n, 1)`` or ``(n, 0)``."""

    def accepts(self, rows: Matrix) -> bool:
        """Whether it answers them at all."""


def in_margin(oracle: Judge, rows: Matrix, served: Answers, bound: Bound) -> NDArray[np.bool_]:
    """Which rows, ``(n,)``, got an answer that the trained model gives within ``bound.margin_ulp``."""
    found = np.zeros(len(rows), np.bool_)
    if not bound.margin_ulp or len(rows) > MAX_ROWS:
        return found
    for start in range(0, len(rows), TOGETHER):
        part = slice(start, start + TOGETHER)
        strings = tuple(oracle.coding.vocabulary)
        moved = np.stack([_moved(row, bound.margin_ulp, strings) for row in rows[part]])
        asked = moved.reshape(-1, moved.shape[-1])
        numbers = np.repeat(served.numbers[part], moved.shape[1], axis=0)
        near = within(numbers, oracle.numbers(asked), bound).all(axis=1)
        if len(served.labels):
            near &= oracle.labels(asked) == np.repeat(served.labels[part], moved.shape[1])
        found[part] = np.any(near.reshape(moved.shape[:2]), axis=1)
    return found


def _moved(row: Matrix, margin_ulp: int, strings: tuple[int, ...]) -> Matrix:
    """The row itself, its features at the edges of the margin, and random places in between."""
    features = len(row)
    one = np.eye(features)
    edges = margin_ulp * np.concatenate([np.zeros((1, features)), np.ones((1, features)), one])
    inner = np.random.default_rng(SEED).integers(-margin_ulp, margin_ulp, (MOVES, features), endpoint=True)
    steps = np.concatenate([edges, -edges[1:], inner])
    steps[:, list(strings)] = 0
    with np.errstate(invalid="ignore"):
        moved: Matrix = row + steps * np.spacing(np.abs(row))
    return np.where(np.isfinite(row), moved, row)
