"""Rows of numbers and strings as one float64 matrix, which is what the adversary turns and twists.

A string is told by its number in the vocabulary of its feature; a number is itself, and NaN is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Coding:
    """Names of the features, and the strings that stand for each number where a feature is one of strings."""

    names: tuple[str, ...]
    vocabulary: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By feature number."""

    def rows(self, matrix: Matrix) -> NDArray[Any]:
        """What a session is fed: the matrix itself, or ``(n, features)`` objects with the strings in it."""
        if not self.vocabulary:
            return matrix
        rows = matrix.astype(object)
        for feature, column in self._strings(matrix).items():
            rows[:, feature] = column
        return rows

    def frame(self, matrix: Matrix) -> Any:
        """The same rows as a pandas DataFrame with the features' names."""
        import pandas

        strings = self._strings(matrix)
        columns = {name: strings.get(number, matrix[:, number]) for number, name in enumerate(self.names)}
        return pandas.DataFrame(columns)

    def _strings(self, matrix: Matrix) -> dict[int, NDArray[Any]]:
        return {
            feature: np.array(known, object)[matrix[:, feature].astype(np.int64)]
            for feature, known in self.vocabulary.items()
        }
