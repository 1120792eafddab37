"""The smallest and the largest value of each column of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Feature
from server.schema import bounds

BLOCK_ROWS = 256
"""Rows that are compared as one long one: numpy is quick with long rows, and slow with many short ones."""


class Limits:
    """Of a tensor of numbers. Immutable."""

    def __init__(self, features: Sequence[Feature], dtype: np.dtype[Any]) -> None:
        """In the dtype of the values: a bound is rounded as they are, so that it is taken itself, and
        integers are compared as integers."""
        low, high = zip(*map(bounds, features), strict=True)
        if dtype.kind != "f":
            ends = np.iinfo(np.int64)
            low = tuple(max(math.ceil(bound), ends.min) for bound in low)
            high = tuple(min(math.floor(bound), ends.max) for bound in high)
        self._low, self._high = np.array(low, dtype), np.array(high, dtype)
        self._required = ~np.array([feature.may_be_missing for feature in features])
        self._lows, self._highs = np.tile(self._low, BLOCK_ROWS), np.tile(self._high, BLOCK_ROWS)

    def all_inside(self, values: NDArray[Any]) -> bool:
        """Whether every value of ``(n, columns)`` is a number inside; a missing one is not."""
        rows, columns = values.shape
        whole = rows - rows % BLOCK_ROWS
        blocks = values[:whole].reshape(-1, BLOCK_ROWS * columns)
        rest = values[whole:].reshape(-1)
        lows, highs = self._lows[: len(rest)], self._highs[: len(rest)]
        return bool(
            (blocks >= self._lows).all()
            and (blocks <= self._highs).all()
            and (rest >= lows).all()
            and (rest <= highs).all()
        )

    def outside(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of ``(n, columns)`` are not taken: numbers outside, and missing ones where none may be."""
        with np.errstate(invalid="ignore"):
            wrong: NDArray[np.bool_] = (values < self._low) | (values > self._high)
        if values.dtype.kind == "f":
            wrong |= np.isnan(values) & self._required
        return wrong
