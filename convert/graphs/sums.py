"""Sums over the columns in numpy's order, which onnxruntime's own ReduceSum does not keep.

A product with ones adds from left to right (measured, alone and in batches); numpy does so for fewer than
eight columns, and beyond adds up eight partial sums. Only for finite numbers, as the product meets them with
zeros.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from convert.graphs.writer import Tensor, Writer

LANES = 8
BLOCK = 128
"""Above it, numpy halves the row first."""


def row_sum(w: Writer, x: Tensor, width: int) -> Tensor:
    """``numpy.sum(x, axis=1, keepdims=True)`` of a float64 matrix, to the bit."""
    if width < LANES:
        return left_to_right(w, x, width)
    if width > BLOCK:
        half = width // 2 - width // 2 % LANES
        parts = [(0, half), (half, width)]
        return chain(w, [row_sum(w, w.columns(x, list(range(*part))), part[1] - part[0]) for part in parts])
    whole = width - width % LANES
    lanes = np.zeros((width, LANES))
    lanes[np.arange(whole), np.arange(whole) % LANES] = 1
    total = w.op("MatMul", x, w.constant(lanes, "lanes"))
    for half in (4, 2, 1):
        pairs = np.repeat(np.eye(half), 2, axis=0)
        total = w.op("MatMul", total, w.constant(pairs, "pairs"))
    if whole == width:
        return total
    rest = w.concat(total, w.columns(x, list(range(whole, width))))
    return left_to_right(w, rest, 1 + width - whole)


def left_to_right(w: Writer, x: Tensor, width: int) -> Tensor:
    """The same of a matrix whose columns are contiguous, ``np.array(columns).T``, of two rows and more."""
    return w.op("MatMul", x, w.constant(np.ones((width, 1)), "ones"))


def chain(w: Writer, tensors: list[Tensor]) -> Tensor:
    """One after the other, as ``sum(list)`` and ``numpy.sum(axis=0)``."""
    return reduce(lambda total, tensor: w.op("Add", total, tensor), tensors)
