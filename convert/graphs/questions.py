"""Splits that are no plain threshold, on categories above all, as columns of 0 and 1 beside the features.

onnxruntime's set membership reads 1.5 as 1 when it packs a set into a mask, and it refuses trees whose
branches meet again. So each question gets a small tree of its own, of plain thresholds, and the tree that
asks it splits on the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from convert.graphs.ensemble import Ensemble, Tree
from convert.graphs.writer import Tensor, Writer

HALF = 0.5
"""Threshold for a column of answers: a row goes left on 0."""


class Piece(NamedTuple):
    """An interval of float64 numbers."""

    above: float
    """The largest number below it,"""
    last: float
    """and the largest in it."""
    right: bool
    """Whether rows go right here."""


class Question(NamedTuple):
    """Which way rows go at a split."""

    feature: int
    bounds: tuple[float, ...]
    """Ascending."""
    rights: tuple[bool, ...]
    """Whether rows go right up to and with the first bound, up to the second … and behind the last: one more
    than bounds, and neighbours differ."""
    missing_right: bool


class Questions:
    """Collects the questions of an ensemble, each once, and answers them all in one node."""

    def __init__(self, features: int) -> None:
        """``features`` is the width of the matrix that the answers come to stand beside."""
        self._features = features
        self._columns: dict[Question, int] = {}

    def column(self, question: Question) -> int:
        """Where the answer stands in the widened matrix."""
        return self._columns.setdefault(question, self._features + len(self._columns))

    def widened(self, w: Writer, x: Tensor) -> Tensor:
        """``x (n, features) float64`` with the answers beside it, or as it is when nothing was asked."""
        if not self._columns:
            return x
        answers = Ensemble(len(self._columns))
        for target, question in enumerate(self._columns):
            answers.add(_tree(question), target)
        return w.concat(x, w.inside("questions").ensemble(x, answers))


def ask(feature: int, pieces: Iterable[Piece], elsewhere: bool, missing: bool) -> Question:
    """The question that the pieces, in any order, describe; ``elsewhere`` and ``missing`` tell whether rows
    go right outside all pieces, and without a value."""
    ends: list[tuple[float, bool]] = []
    for piece in sorted(pieces):
        if not ends or ends[-1][0] < piece.above:
            ends.append((piece.above, elsewhere))
        ends.append((piece.last, piece.right))
    ends.append((np.inf, elsewhere))
    kept = [end for end, after in pairwise(ends) if end[1] != after[1]]
    rights = (*(right for _, right in kept), elsewhere)
    return Question(feature, tuple(bound for bound, _ in kept), rights, missing)


class _Node(NamedTuple):
    threshold: float = 0.0
    left: int = -1
    right: int = -1
    missing_left: bool = False
    value: float = 0.0


def _tree(question: Question) -> Tree:
    """Balanced, with a leaf of 0 or 1 per piece."""
    bounds, rights = question.bounds, question.rights
    if rights == (not question.missing_right,):  # only missing values go the other way
        bounds, rights = (np.inf,), (*rights, question.missing_right)
    nodes: list[_Node] = []
    _grow(nodes, bounds, rights, rights.index(question.missing_right))
    threshold, left, right, missing_left, values = zip(*nodes, strict=True)
    return Tree(
        feature=np.full(len(nodes), question.feature, np.int64),
        threshold=np.array(threshold),
        left=np.array(left, np.int64),
        right=np.array(right, np.int64),
        missing_left=np.array(missing_left, np.bool_),
        values=np.array(values)[:, None],
    )


def _grow(nodes: list[_Node], bounds: tuple[float, ...], rights: tuple[bool, ...], missing: int) -> int:
    """Append the node over these pieces and all below it, and tell its number. Missing values are led to the
    piece number ``missing``, if that is one of these."""
    number, middle = len(nodes), len(rights) // 2
    nodes.append(_Node(value=float(rights[0])))
    if middle:
        left = _grow(nodes, bounds[: middle - 1], rights[:middle], missing)
        right = _grow(nodes, bounds[middle:], rights[middle:], missing - middle)
        nodes[number] = _Node(bounds[middle - 1], left, right, missing < middle)
    return number
