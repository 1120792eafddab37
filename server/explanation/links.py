"""From the weighed sums of a graph to what it answers.

Which of these a graph has is told from its operators, and then held against every answer that is explained: a
link that was taken for another one cannot pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.errors import NotExplainable

Link = Literal["identity", "logistic", "softmax", "exp"]
Floats = NDArray[np.float64]

EXPONENTIAL = {"Pow", "Exp", "Cast", "Mul", "Add"}
SOFT = {*EXPONENTIAL, "ReduceMax", "Sub", "Div", "MatMul", "Gather", "Concat", "Softmax"}
LOGISTIC = {"Pow", "Cast", "Add", "Div", "Reciprocal", "Gemm"}
IDENTITY = {"Cast", "Gemm"}
"""Operators of each. A ``Gemm`` behind the sums says ``(1 - p, p)``."""


def link(kinds: set[str]) -> Link:
    """The one whose operators these are.

    Raises:
        NotExplainable: none.
    """
    if kinds <= IDENTITY:
        return "identity"
    if kinds <= LOGISTIC and "Pow" in kinds and kinds & {"Div", "Reciprocal"}:
        return "logistic"
    if kinds <= EXPONENTIAL and kinds & {"Pow", "Exp"}:
        return "exp"
    if kinds <= SOFT and ("Softmax" in kinds or kinds >= {"ReduceMax", "Sub", "Div"}):
        return "softmax"
    raise NotExplainable(
        f"what it makes of its sums is none of the known ways to an answer ({', '.join(sorted(kinds))})"
    )


def _logistic(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = 1 / (1 + np.exp(-sums))
    return found


def _softmax(sums: Floats) -> Floats:
    powers = np.exp(sums - sums.max())
    found: Floats = powers / powers.sum()
    return found


def _exp(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = np.exp(sums)
    return found


ANSWERS: dict[Link, Callable[[Floats], Floats]] = {
    "identity": lambda sums: sums,
    "logistic": _logistic,
    "softmax": _softmax,
    "exp": _exp,
}
"""``(sums,)`` to ``(sums,)``."""


def numbers(name: Link, sums: Floats, wanted: int) -> Floats:
    """The numbers of an answer, ``(wanted,)``; where one sum tells two classes apart, ``(1 - p, p)``."""
    found = ANSWERS[name](sums)
    return np.array([1 - found[0], found[0]]) if (len(found), wanted) == (1, 2) else found
