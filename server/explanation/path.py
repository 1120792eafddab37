"""The way of a row through a tree, in conditions that people can read."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from registry.manifest import Value
from server.explanation.explainer import Explainer, Explanation
from server.explanation.forest import MODES, Forest

HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
MISSING = "missing"


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a row met at one split."""

    feature: str
    value: float | None
    """As it was given."""
    operator: str
    """One of ``HOLDS``, or ``missing``: the value is, and went where the tree sends such."""
    threshold: float
    text: str
    read_as: float | None = None
    """What was compared in the value's place, where a scaler or the like stands in front."""


class Leaf(msgspec.Struct, frozen=True):
    """Where a row came to in one tree."""

    tree: int
    leaf: int
    """Number in the graph; of a tree that is written in several copies, in the first."""
    adds: dict[str, float]
    """To the outputs; nothing where it is zero."""


def conditions(
    explainer: Explainer, found: Explanation, copies: range, row: Sequence[Value]
) -> list[Condition]:
    """From the root to the leaf, of the one tree that is written in these copies."""
    forest = explainer.forest
    assert forest is not None
    nodes = max((forest.path(root, found.answers) for root in copies), key=len)
    return [_condition(explainer, forest, found, node, row) for node in nodes]


def leaves(explainer: Explainer, found: Explanation, most: int) -> tuple[list[Leaf], int]:
    """Of the first ``most`` trees that are no constants, and how many there are."""
    forest = explainer.forest
    assert forest is not None
    reached = forest.reached(found.answers)
    names = dict(explainer.outputs)
    grown = [copies for copies in forest.copies if not all(map(forest.trivial, copies))]
    told = []
    for number, copies in enumerate(grown[:most]):
        adds: dict[str, float] = {}
        for leaf in reached[copies.start : copies.stop].tolist():
            weight = float(forest.weight[leaf]) * explainer.scale
            if weight:
                adds[names[int(forest.target[leaf])]] = weight
        told.append(Leaf(number, int(reached[copies.start]), adds))
    return told, len(grown)


def _condition(
    explainer: Explainer, forest: Forest, found: Explanation, node: int, row: Sequence[Value]
) -> Condition:
    column = forest.feature[node]
    source = int(explainer.sources[column])
    name, given, read = explainer.signature.names[source], row[source], found.read[column]
    threshold = _shortest(forest.threshold[node])
    if np.isnan(read):
        text = f"{name} is missing" if given is None else f"{name} {given:g} counts as missing"
        return Condition(name, _number(given), MISSING, threshold, text)
    sign = MODES[int(forest.mode[node])][0 if found.answers[node] else 1]
    value = float(given) if given is not None else math.nan
    with np.errstate(over="ignore"):
        same = float(read) in (value, float(np.float32(value)))
    if same and HOLDS[sign](value, threshold):
        return Condition(name, value, sign, threshold, f"{name} {_words(value, sign, threshold)}")
    compared = _shortest(read) if HOLDS[sign](_shortest(read), threshold) else float(read)
    shown = "missing" if given is None else f"{value:.6g}"
    text = f"{name} {shown}, read as {_words(compared, sign, threshold)}"
    return Condition(name, _number(given), sign, threshold, text, compared)


def _words(value: float, sign: str, threshold: float) -> str:
    """Few digits, but as many as it takes for the words to be true."""
    short = f"{value:.6g}", f"{threshold:.6g}"
    if not HOLDS[sign](float(short[0]), float(short[1])):
        short = repr(value), repr(threshold)
    return f"{short[0]} {sign} {short[1]}"


def _shortest(number: np.floating) -> float:
    """A float32 by its own fewest digits."""
    return float(str(number))


def _number(given: Value) -> float | None:
    return None if given is None else float(given)
