"""Distances of each row to each of the points that a model keeps, in float64."""

from __future__ import annotations

import numpy as np

from convert.graphs.families.links import Matrix
from convert.graphs.writer import Tensor, Writer

ONE_BLOCK = 4096
"""Points by features up to which all differences of a row are held at once (32 kB), in four nodes."""
FURTHEST = 1e140
"""Coordinates beyond have squares that overflow."""

SUMS = {1: "ReduceL1", 2: "ReduceSumSquare"}


def direct(w: Writer, x: Tensor, points: Matrix, p: float) -> Tensor:
    """``sum(|x - y|)``, ``sum((x - y)²)`` or ``max(|x - y|)`` by ``p`` 1, 2 or infinity: ``(n, points)``.

    Features are added one after another, first to last: those are the bits of scikit-learn's trees.
    """
    x = w.double(x)
    return _block(w, x, points, p) if points.size <= ONE_BLOCK else _by_feature(w, x, points, p)


def _block(w: Writer, x: Tensor, points: Matrix, p: float) -> Tensor:
    rows = w.op("Unsqueeze", x, w.constant(np.array([2], np.int64), "axis"))  # (n, features, 1)
    apart = w.op("Sub", rows, w.constant(points.T, "points"))  # (n, features, points)
    if p not in SUMS:
        apart = w.op("Abs", apart)
    return w.reduce(SUMS.get(int(p) if p in SUMS else 0, "ReduceMax"), apart, keepdims=0)


def _by_feature(w: Writer, x: Tensor, points: Matrix, p: float) -> Tensor:
    """The same bits with no more than ``(n, points)`` in memory."""
    total: Tensor | None = None
    for number, column in enumerate(points.T):
        apart = w.op("Sub", w.columns(x, [number]), w.constant(column, "points"))
        term = w.op("Mul", apart, apart) if p == 2 else w.op("Abs", apart)
        total = term if total is None else w.op("Add" if p in SUMS else "Max", total, term)
    assert total is not None  # a model has a feature
    return total


def expanded(w: Writer, x: Tensor, points: Matrix, factor: float) -> Tensor:
    """``factor * |x - y|²`` as ``|x|² - 2xy + |y|²``, one product for all points: much faster for many.

    Everything is measured from the middle of the points, or the squares would cancel.
    """
    middle = points.mean(axis=0)
    near = points - middle
    x = w.op("Sub", w.double(x), w.constant(middle, "middle"))
    x = w.op("Clip", x, w.constant(np.float64(-FURTHEST), "low"), w.constant(np.float64(FURTHEST), "high"))
    crossed = w.op(
        "Gemm",
        x,
        w.constant(-2 * factor * near.T, "points"),
        w.constant(factor * (near**2).sum(axis=1), "norms"),
    )
    own = w.op("Mul", w.reduce("ReduceSumSquare", x), w.constant(np.float64(factor), "factor"))
    return w.op("Add", crossed, own)
