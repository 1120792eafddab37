"""What the families of boosted trees share: from the sums of an ensemble to its answers, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.graphs.families.links import exp, logistic, total
from convert.graphs.registration import DOUBLED
from convert.graphs.writer import BOOL, INT64, Classified, Tensor, Writer
from registry.manifest import Bound

E_SHORT = 5.3181e-17
"""By so much of itself float64's e is less than the number it stands for."""
LANES = 8
"""Sums that numpy runs side by side."""
MANY = 8
"""So many classes are many."""
assert math.isclose(E_SHORT, 1.4456468917292502e-16 / math.e, rel_tol=1e-4)


def exponential(w: Writer, x: Tensor) -> Tensor:
    """``e ** x`` to one unit in the last place, for values that may be large: the power of float64's e, and
    ``x`` times what that e is short of."""
    power = exp(w, x)
    short = w.op("Mul", x, w.constant(np.float64(E_SHORT), "short"))
    return w.op("Add", power, w.op("Mul", power, short))


def binary(
    w: Writer, negated: Tensor, last: float, strict: bool = False, doubled: bool = False
) -> Classified:
    """Two classes, from the sums ``(n, 1)`` with their sign turned. The label is the second class where these
    are at most ``last`` (below it, if ``strict``). ``doubled`` are sums of twice the decision.

    The label is told from the sum, as near one half the last bit of a probability would decide.
    """
    kind = "Less" if strict else "LessOrEqual"
    second = w.op(kind, negated, w.constant(np.float64(last), "last"), dtype=BOOL)
    # One node for (1 - p, p): each is one product with a one, and one sum.
    sign, offset = np.array([[-1.0, 1.0]]), np.array([1.0, 0.0])
    both = w.op("Gemm", logistic(w, negated), w.constant(sign, "sign"), w.constant(offset, "offset"))
    decision = np.array([[1.0, -1.0]]) / (2.0 if doubled else 1.0)
    scores = w.op("MatMul", negated, w.constant(decision, "decision"))
    return Classified(w.flat(w.cast(second, INT64)), both, scores)


def softmax(w: Writer, raw: Tensor, classes: int, in_lanes: bool = False) -> Tensor:
    """``exp(x - max) / sum(exp(x - max))`` over the columns, added up first to last, or ``in_lanes``."""
    powers = exponential(w, w.op("Sub", raw, w.reduce("ReduceMax", raw)))
    parts, width = _lanes(w, powers, classes) if in_lanes and classes >= LANES else (powers, classes)
    return w.op("Div", powers, total(w, parts, width))


def bound(model: Any) -> Bound:
    """Of a classifier: with many classes, the last bits of all their powers add up in one sum."""
    return DOUBLED if len(model.classes_) < MANY else Bound(ulp=8, absolute=DOUBLED.absolute)


def _lanes(w: Writer, parts: Tensor, columns: int) -> tuple[Tensor, int]:
    """What is left to be added, first to last, and how many columns that are.

    numpy adds numbers that stand side by side in eight lanes, then these two by two, then the rest. Next to a
    large number the order is worth an ulp per column. (Beyond 128 numbers it goes on to halve the row; that
    is not followed.)
    """
    rest = columns % LANES
    parts = _added(w, parts, np.append(np.arange(columns - rest) % LANES, LANES + np.arange(rest)))
    for width in (LANES // 2, LANES // 4):
        parts = _added(w, parts, np.append(np.arange(2 * width) // 2, width + np.arange(rest)))
    return parts, LANES // 4 + rest


def _added(w: Writer, parts: Tensor, places: NDArray[np.int64]) -> Tensor:
    """Each column added to the one at its place, first to last."""
    return w.op("MatMul", parts, w.constant(np.eye(places.max() + 1)[places], "places"))
