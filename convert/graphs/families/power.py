"""PowerTransformer: powers that make columns look normal. Bounded, as exp and log are rounded by each library
in its own way."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import PowerTransformer

from convert.graphs.families.derived import ROUNDED
from convert.graphs.families.scaling import standard
from convert.graphs.registration import register
from convert.graphs.tracing.elementwise import UFUNCS, Operand
from convert.graphs.writer import BOOL, DOUBLE, Tensor, Writer

TINY = np.finfo(np.float64).eps
"""An exponent below it is zero to scipy: the logarithm itself."""


def power(w: Writer, model: Any, x: Tensor) -> Tensor:
    """``(exp(e * log) - 1) / e``, near zero without loss; Yeo and Johnson mirror it for negative numbers."""
    x, exponents = w.double(x), np.asarray(model.lambdas_, np.float64)
    if model.method == "box-cox":
        made = _grown(w, w.op("Log", x), w.constant(_off_zero(exponents), "exponents"))
    else:
        below = w.op("Less", x, w.constant(np.float64(0), "zero"), dtype=BOOL)
        own = w.constant(_off_zero(exponents), "exponents")
        mirrored = w.constant(_off_zero(2 - exponents), "mirrored")
        log = UFUNCS["log1p"](w, _number(w.op("Abs", x)))
        size = _grown(w, log, w.op("Where", below, mirrored, own, dtype=DOUBLE))
        made = w.op("Where", below, w.op("Neg", size), size, dtype=DOUBLE)
    return standard(w, model._scaler, made) if model.standardize else made


def _off_zero(exponents: Any) -> Any:
    """An exponent that no number tells from zero, where zero itself cannot be divided by."""
    return np.where(np.abs(exponents) < TINY, 1e-200, exponents)


def _grown(w: Writer, log: Tensor, exponents: Tensor) -> Tensor:
    grown = UFUNCS["expm1"](w, _number(w.op("Mul", log, exponents)))
    return w.op("Div", grown, exponents)


def _number(x: Tensor) -> Operand:
    return Operand(x, np.dtype(np.float64), None)


register(PowerTransformer, power, ROUNDED)
