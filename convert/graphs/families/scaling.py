"""Scalers and bins: a number in, a number (or a flag per bin) out, in the trainer's order of operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from convert.graphs.registration import EXACT, register
from convert.graphs.sums import row_sum
from convert.graphs.writer import BOOL, DOUBLE, FLOAT, Tensor, Writer
from registry.manifest import Bound


def shift_and_divide(w: Writer, x: Tensor, shift: Any, divisor: Any) -> Tensor:
    """``(x - shift) / divisor``; None leaves a step out, and so do numbers that change nothing."""
    x = w.double(x)
    if shift is not None and np.any(shift != 0):
        x = w.op("Sub", x, w.constant(np.float64(shift), "shift"))
    if divisor is not None and np.any(divisor != 1):
        x = w.op("Div", x, w.constant(np.float64(divisor), "divisor"))
    return x


def standard(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Mean, then deviation."""
    shift = model.mean_ if model.with_mean else None
    return shift_and_divide(w, x, shift, model.scale_ if model.with_std else None)


def robust(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Median, then range of the quantiles."""
    shift = model.center_ if model.with_centering else None
    return shift_and_divide(w, x, shift, model.scale_ if model.with_scaling else None)


def minmax(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Times the scale plus the offset, in this order."""
    scaled = w.op("Mul", w.double(x), w.constant(np.float64(model.scale_), "scale"))
    moved = w.op("Add", scaled, w.constant(np.float64(model.min_), "offset"))
    return clipped(w, moved, *model.feature_range) if model.clip else moved


def max_abs(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Divided by the largest size."""
    scaled = shift_and_divide(w, x, None, model.scale_)
    return clipped(w, scaled, -1.0, 1.0) if getattr(model, "clip", False) else scaled


def clipped(w: Writer, x: Tensor, low: float, high: float) -> Tensor:
    """Inside the bounds; NaN stays NaN, which onnxruntime's Clip does not promise."""
    raised = w.op("Max", x, w.constant(np.float64(low), "low"))
    return w.op("Min", raised, w.constant(np.float64(high), "high"))


def normalizer(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Each row divided by its length; a row of zeros stays."""
    x = w.double(x)
    if model.norm == "l2":
        length = w.op("Sqrt", w.reduce("ReduceSumSquare", x))
    elif model.norm == "l1":
        length = row_sum(w, w.op("Abs", x), model.n_features_in_)
    else:
        length = w.reduce("ReduceMax", w.op("Abs", x))
    # sklearn takes lengths below ten epsilons for zero
    small = w.op("Less", length, w.constant(10 * np.finfo(np.float64).eps, "small"), dtype=BOOL)
    return w.op("Div", x, w.op("Where", small, w.constant(np.float64(1), "one"), length, dtype=DOUBLE))


def binarizer(w: Writer, model: Any, x: Tensor) -> Tensor:
    """1 above the threshold, else 0."""
    above = w.op("Greater", w.double(x), w.constant(np.float64(model.threshold), "threshold"), dtype=BOOL)
    return w.cast(above, DOUBLE)


def bins(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Number of the bin, or a flag for each.

    One comparison per inner edge; a product with -1, 0 and 1 adds them up, which is exact.
    """
    x = w.double(w.single(x) if model.dtype == np.float32 else x)
    edges = [own[1:-1].astype(np.float64) for own in model.bin_edges_]
    onehot = model.encode != "ordinal"
    widths = [len(own) + 1 if onehot else 1 for own in edges]
    sums = np.zeros((sum(map(len, edges)), sum(widths)))
    base = np.zeros(sum(widths))
    row = column = 0
    for own, width in zip(edges, widths, strict=True):
        steps = np.arange(len(own))
        sums[row + steps, column + steps * onehot] += -1 if onehot else 1
        if onehot:
            sums[row + steps, column + steps + 1] += 1
            base[column] = 1
        row, column = row + len(own), column + width
    if not row:
        return w.op("Add", w.op("Mul", x, w.constant(0.0, "zero")), w.constant(base, "base"))
    feature = np.repeat(np.arange(len(edges)), [len(own) for own in edges])
    repeated = w.columns(x, feature)
    reached = w.op("GreaterOrEqual", repeated, w.constant(np.concatenate(edges), "edges"), dtype=BOOL)
    counted = w.op("MatMul", w.double(reached), w.constant(sums, "bins"))
    found = w.op("Add", counted, w.constant(base, "first")) if onehot else counted
    return w.cast(found, FLOAT) if model.dtype == np.float32 else found


def _bins_width(model: Any) -> int:
    return int(sum(model.n_bins_)) if model.encode != "ordinal" else len(model.n_bins_)


def _length_bound(model: Any) -> Bound:
    """A sum over the row has no order that anybody promises; the largest of it has no need of one."""
    return EXACT if model.norm == "max" else Bound(ulp=4, absolute=4.5e-16, margin_ulp=8)


register(StandardScaler, standard, EXACT)
register(RobustScaler, robust, EXACT)
register(MinMaxScaler, minmax, EXACT)
register(MaxAbsScaler, max_abs, EXACT)
register(Normalizer, normalizer, _length_bound)
register(Binarizer, binarizer, EXACT)
register(KBinsDiscretizer, bins, EXACT, width=_bins_width)
