"""From scores to probabilities, as the numeric families do it, with the same bits in every batch.

Measured with onnxruntime 1.32, in batches of 1, 2, 3, 5, 7, 8, 64, 999 and 1,000 rows of 1 to 200 features:

- ``Exp``, ``Sigmoid``, ``Tanh`` and ``Log`` of float64 go through an array two numbers at a time, and the odd
  one at the end gets another last bit. So the answer to a row depends on where in the array it stands.
- ``ReduceSum`` over the last axis adds in another order where the width is odd and the row begins at an odd
  place. ``Softmax`` changes with the number of rows.
- ``Pow``, ``MatMul``, ``Gemm``, the other reductions, and ``ReduceSum`` over an inner axis do not do that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.graphs.sums import left_to_right
from convert.graphs.writer import BOOL, Tensor, Writer

Matrix = NDArray[np.float64]
Power = Callable[[Writer, Tensor], Tensor]
Add = Callable[[Writer, Tensor, int], Tensor]
"""Sum over so many columns, ``(n, 1)``."""
PAIRS = 8
"""A width that is a multiple of this leaves no odd number at the end, whatever a vector holds."""


def exp(w: Writer, x: Tensor) -> Tensor:
    """``e ** x``, one number at a time.

    The e of float64 is off by 5e-17 of itself, and so the power by ``5e-17 * x`` of itself: less than
    rounding up to ``x = 2``, 7 ulp at 30.
    """
    return w.op("Pow", w.constant(np.float64(np.e), "e"), x)


def gemm(w: Writer, x: Tensor, weights: Any, bias: Any) -> Tensor:
    """``x @ weights + bias``: ``(n, f)`` by ``(f, c)`` to ``(n, c)``, in float64."""
    matrix, row = np.asarray(weights, np.float64), np.asarray(bias, np.float64)
    row = np.broadcast_to(row, (matrix.shape[1],))
    return w.op("Gemm", w.double(x), w.constant(matrix, "weights"), w.constant(row, "bias"))


def logistic(w: Writer, negative: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))`` of scores given as ``-x``; 0 where the power overflows, as in the trainers."""
    return w.op("Reciprocal", w.op("Add", exp(w, negative), w.constant(np.float64(1), "one")))


def softmax(w: Writer, scores: Tensor, classes: int, power: Power = exp, add: Add = left_to_right) -> Tensor:
    """``exp(x - max) / sum(exp(x - max))`` over the columns (``sklearn.utils.extmath.softmax``)."""
    powers = power(w, w.op("Sub", scores, w.reduce("ReduceMax", scores)))
    return w.op("Div", powers, add(w, powers, classes))


def shares(w: Writer, parts: Tensor, classes: int, add: Add = left_to_right) -> Tensor:
    """``parts / sum(parts)`` over the columns, and equal shares where the sum is 0
    (``LinearClassifierMixin._predict_proba_lr``)."""
    whole = add(w, parts, classes)
    nothing = w.op("Equal", whole, w.constant(np.float64(0), "zero"), dtype=BOOL)
    equal = w.constant(np.float64(1 / classes), "equal")
    return w.op("Where", nothing, equal, w.op("Div", parts, whole), dtype=parts.dtype)


def padded(matrix: Matrix, axis: int) -> Matrix:
    """Zeros behind the last row or column, up to a multiple of ``PAIRS``."""
    missing = -matrix.shape[axis] % PAIRS
    widths = [(0, missing if number == axis else 0) for number in range(matrix.ndim)]
    return np.pad(matrix, widths)
