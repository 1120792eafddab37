"""Reads LightGBM's own text form of a model, which is what a booster is saved and pickled as."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.errors import Unconvertible
from convert.graphs.ensemble import Tree
from convert.graphs.questions import HALF, Piece, Question, Questions, ask

ZERO = float(np.float32(1e-35))
"""Numbers as near to zero as this, it included, are read as zero."""
CATEGORICAL, DEFAULT_LEFT = 1, 2
"""Bits of a split's decision type; the two above them tell what is missing:"""
NO_VALUE, ZERO_VALUE, NAN_VALUE = 0, 1, 2

Block = dict[str, str]


class Written(NamedTuple):
    """A model as it was written down."""

    objective: str
    """Empty when it was a custom one."""
    options: dict[str, str]
    """Of the objective: ``sigmoid:1 sqrt`` is ``{'sigmoid': '1', 'sqrt': ''}``."""
    features: tuple[str, ...]
    sums: int
    """Trees per round."""
    classes: int
    """1 unless the objective has several."""
    averaged: bool
    """Whether the rounds are averaged, as in a random forest."""
    trees: tuple[Block, ...]
    pandas_categories: bool
    """Whether columns of pandas categories were among the features."""


class Grown(NamedTuple):
    """Trees in the order in which they are added up, tree ``k`` to sum ``k % sums``."""

    trees: list[Tree]
    zero_missing: NDArray[np.bool_]
    """``(features,)``: zero is a missing value there."""


def read(text: str) -> Written:
    """Take a model file apart.

    Raises:
        Unconvertible: its trees hold linear models.
        KeyError: it is none.
    """
    header, *blocks = text.split("\nend of trees")[0].split("\nTree=")
    about = _block(header)
    trees = tuple(_block(block) for block in blocks)
    if any(tree.get("is_linear") == "1" for tree in trees):
        raise Unconvertible(
            "the leaves of this LightGBM model are linear models, whose sums are nobody's promise to the "
            "last bit; train with linear_tree=False"
        )
    objective, *options = about.get("objective", "").split() or [""]
    categories = text.rpartition("\npandas_categorical:")[2].strip()
    return Written(
        objective=objective,
        options={name: value for name, _, value in (option.partition(":") for option in options)},
        features=tuple(about["feature_names"].split()),
        sums=int(about["num_tree_per_iteration"]),
        classes=int(about["num_class"]),
        averaged="average_output" in about,
        trees=trees,
        pandas_categories=categories not in ("", "null", "[]"),
    )


def grow(written: Written, questions: Questions, sign: float) -> Grown:
    """All trees, their leaves times ``sign``; their questions are added to ``questions``.

    Raises:
        Unconvertible: zero is a missing value at one split of a feature, and none at another.
    """
    zero = np.zeros((2, len(written.features)), np.bool_)  # what splits of each feature say: none, missing
    trees = [_tree(block, questions, sign, zero) for block in written.trees]
    if both := np.flatnonzero(zero.all(axis=0)).tolist():
        raise Unconvertible(
            f"feature {written.features[both[0]]!r} takes zero for a missing value at some splits only; "
            "train all rounds with the same zero_as_missing"
        )
    return Grown(trees, zero[1])


def _block(text: str) -> Block:
    lines = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in lines}


def _tree(block: Block, questions: Questions, sign: float, zero: NDArray[np.bool_]) -> Tree:
    """The splits in their own order, and behind them the leaves."""
    leaves = int(block["num_leaves"])
    splits = leaves - 1
    feature = np.zeros(splits + leaves, np.int64)
    threshold, values = np.zeros(len(feature)), np.zeros(len(feature))
    left, right = np.full(len(feature), -1), np.full(len(feature), -1)
    missing_left = np.zeros(len(feature), np.bool_)
    values[splits:] = sign * _numbers(block["leaf_value"])[:leaves]
    if splits:
        feature[:splits] = _numbers(block["split_feature"])
        decision = _numbers(block["decision_type"]).astype(np.int64)
        left[:splits] = _children(block["left_child"], splits)
        right[:splits] = _children(block["right_child"], splits)
        written = _numbers(block["threshold"])
        categorical = decision & CATEGORICAL > 0
        kinds = decision >> 2
        threshold[:splits] = _around_zero(written)
        missing_left[:splits] = np.where(kinds == NO_VALUE, written >= 0, decision & DEFAULT_LEFT > 0)
        for kind in (NO_VALUE, ZERO_VALUE, NAN_VALUE):
            zero[int(kind == ZERO_VALUE), feature[:splits][(kinds == kind) & ~categorical]] = True
        for node in np.flatnonzero(categorical):
            question = _question(block, int(feature[node]), int(written[node]))
            feature[node], threshold[node] = questions.column(question), HALF
    return Tree(
        feature, threshold, left, right, missing_left, values[:, None], cover=_cover(block, len(values))
    )


def _cover(block: Block, size: int) -> NDArray[np.float64] | None:
    """Training rows at each node; files of old versions may not tell."""
    splits = _numbers(block["internal_count"]) if block.get("internal_count") else np.empty(0)
    found = np.concatenate([splits, _numbers(block.get("leaf_count", ""))])
    return found if len(found) == size else None


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array([float(number) for number in text.split()])


def _children(text: str, splits: int) -> NDArray[np.int64]:
    """A leaf is written as its number's complement."""
    children = _numbers(text).astype(np.int64)
    return np.where(children < 0, splits + ~children, children)


def _around_zero(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds for numbers that nobody rounded to zero before."""
    above = (threshold >= 0) & (threshold < ZERO)
    below = (threshold < 0) & (threshold >= -ZERO)
    return np.where(above, ZERO, np.where(below, np.nextafter(-ZERO, -np.inf), threshold))


def _question(block: Block, feature: int, number: int) -> Question:
    """Whether the whole part of a value, which is zero between -1 and 1, is in the set; missing values go
    right."""
    first, end = (int(bound) for bound in block["cat_boundaries"].split()[number : number + 2])
    words = [int(word) for word in block["cat_threshold"].split()[first:end]]
    codes = [32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1]
    pieces = [
        Piece(math.nextafter(code, -math.inf) if code else -1.0, math.nextafter(code + 1, -math.inf), False)
        for code in codes
    ]
    return ask(feature, pieces, elsewhere=True, missing=True)
