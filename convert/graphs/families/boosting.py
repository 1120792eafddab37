"""What the families of boosted trees share: from the sums of an ensemble to its answers, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from convert.graphs.families import links
from convert.graphs.families.links import exp, logistic
from convert.graphs.registration import DOUBLED
from convert.graphs.sums import left_to_right, row_sum
from convert.graphs.writer import BOOL, INT64, Classified, Tensor, Writer
from registry.manifest import Bound

E_SHORT = 5.3181e-17
"""By so much of itself float64's e is less than the number it stands for."""
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
    """Over the columns, added up first to last, or as numpy adds, ``in_lanes``: next to a large number the
    order is worth an ulp per column."""
    return links.softmax(w, raw, classes, exponential, row_sum if in_lanes else left_to_right)


def bound(model: Any) -> Bound:
    """Of a classifier: with many classes, the last bits of all their powers add up in one sum."""
    return DOUBLED if len(model.classes_) < MANY else Bound(ulp=8, absolute=DOUBLED.absolute)
