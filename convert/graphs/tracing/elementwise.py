"""numpy's element by element operations as nodes, with numpy's own rules for dtypes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from convert.errors import Unconvertible
from convert.graphs.writer import BOOL, DOUBLE, FLOAT, INT64, Tensor, Writer

NUMPY: dict[int, np.dtype[Any]] = {
    DOUBLE: np.dtype(np.float64),
    FLOAT: np.dtype(np.float32),
    INT64: np.dtype(np.int64),
    BOOL: np.dtype(np.bool_),
}
TENSOR = {dtype: kind for kind, dtype in NUMPY.items()}


class Unfollowed(Unconvertible):
    """The function does what a graph cannot."""


class Operand(NamedTuple):
    """One input of an operation."""

    tensor: Tensor | None
    """None: a constant."""
    kind: Any
    """Its dtype, or a Python number, which takes the dtype of what it meets."""
    value: Any
    """Of a constant."""


Operation = Callable[..., Tensor]


def promoted(*operands: Operand) -> np.dtype[Any]:
    """The dtype in which numpy computes."""
    found = np.result_type(*[operand.kind for operand in operands])
    if found not in TENSOR:
        raise Unfollowed(f"numbers of dtype {found}")
    return found


def tensor_of(w: Writer, operand: Operand, dtype: np.dtype[Any]) -> Tensor:
    """The operand in that dtype."""
    if operand.tensor is None:
        return w.constant(np.asarray(operand.value, dtype), "constant")
    return w.cast(operand.tensor, TENSOR[dtype])


def _floating(*operands: Operand) -> np.dtype[Any]:
    dtype = promoted(*operands)
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _wide(*operands: Operand) -> np.dtype[Any]:
    """The same, refusing what numpy would compute in float16."""
    if promoted(*operands) == np.bool_:
        raise Unfollowed("arithmetic of flags; use .astype(float)")
    return _floating(*operands)


def _arithmetic(kind: str) -> Operation:
    def build(w: Writer, a: Operand, b: Operand) -> Tensor:
        dtype = promoted(a, b)
        if dtype == np.bool_:
            raise Unfollowed("arithmetic of flags; use &, | or .astype(float)")
        return w.op(kind, tensor_of(w, a, dtype), tensor_of(w, b, dtype))

    return build


def _floats(kind: str) -> Operation:
    def build(w: Writer, *operands: Operand) -> Tensor:
        dtype = _wide(*operands)
        return w.op(kind, *[tensor_of(w, operand, dtype) for operand in operands])

    return build


def _compared(kind: str, negated: bool = False) -> Operation:
    def build(w: Writer, a: Operand, b: Operand) -> Tensor:
        dtype = promoted(a, b)
        if dtype == np.bool_:
            dtype = np.dtype(np.int64)
        found = w.op(kind, tensor_of(w, a, dtype), tensor_of(w, b, dtype), dtype=BOOL)
        return w.op("Not", found) if negated else found

    return build


def _logical(kind: str, bitwise: bool = False) -> Operation:
    def build(w: Writer, *operands: Operand) -> Tensor:
        if any(promoted(operand) != np.bool_ for operand in operands):
            raise Unfollowed("bits of numbers" if bitwise else "logic of numbers; compare them first")
        return w.op(kind, *[tensor_of(w, operand, np.dtype(np.bool_)) for operand in operands])

    return build


def _same(w: Writer, a: Operand) -> Tensor:
    return tensor_of(w, a, promoted(a))


def _square(w: Writer, a: Operand) -> Tensor:
    return _arithmetic("Mul")(w, a, a)


def _unary(kind: str) -> Operation:
    def build(w: Writer, a: Operand) -> Tensor:
        dtype = promoted(a)
        if dtype == np.bool_:
            raise Unfollowed("arithmetic of flags; use .astype(float)")
        return w.op(kind, tensor_of(w, a, dtype))

    return build


def _reciprocal(w: Writer, a: Operand) -> Tensor:
    if promoted(a).kind != "f":
        raise Unfollowed("the reciprocal of whole numbers, which is a whole number; use 1 / X")
    return _floats("Div")(w, Operand(None, 1.0, 1.0), a)


def _sign(w: Writer, a: Operand) -> Tensor:
    """Of NaN it is NaN, which onnxruntime's Sign does not promise."""
    x = tensor_of(w, a, _floating(a))
    return w.op("Where", w.op("IsNaN", x, dtype=BOOL), x, w.op("Sign", x), dtype=x.dtype)


def _trunc(w: Writer, a: Operand) -> Tensor:
    x = tensor_of(w, a, _floating(a))
    below = w.op("Less", x, w.constant(np.zeros((), NUMPY[x.dtype]), "zero"), dtype=BOOL)
    return w.op("Where", below, w.op("Ceil", x), w.op("Floor", x), dtype=x.dtype)


def _isnan(w: Writer, a: Operand) -> Tensor:
    return w.op("IsNaN", tensor_of(w, a, _floating(a)), dtype=BOOL)


def _isinf(w: Writer, a: Operand) -> Tensor:
    return w.op("IsInf", tensor_of(w, a, _floating(a)), dtype=BOOL)


def _isfinite(w: Writer, a: Operand) -> Tensor:
    x = tensor_of(w, a, _floating(a))
    return w.op("Not", w.op("IsNaN", w.op("Sub", x, x), dtype=BOOL))


def _scaled_log(base: float) -> Operation:
    def build(w: Writer, a: Operand) -> Tensor:
        found = _floats("Log")(w, a)
        return w.op("Div", found, w.constant(np.asarray(math.log(base), NUMPY[found.dtype]), "base"))

    return build


def _exp2(w: Writer, a: Operand) -> Tensor:
    return _floats("Pow")(w, Operand(None, 2.0, 2.0), a)


def _log1p(w: Writer, a: Operand) -> Tensor:
    """``log(u) * x / (u - 1)`` with ``u = 1 + x`` loses nothing near 0 (W. Kahan)."""
    x = tensor_of(w, a, _wide(a))
    one = w.constant(np.ones((), NUMPY[x.dtype]), "one")
    u = w.op("Add", x, one)
    minus = w.op("Sub", u, one)
    log = w.op("Log", u)
    near = w.op("Mul", log, w.op("Div", x, minus))
    plain = w.op("Or", _flag(w, "Equal", minus, 0.0), _flag(w, "Equal", minus, math.inf))
    return w.op("Where", plain, w.op("Where", _flag(w, "Equal", minus, 0.0), x, log), near, dtype=x.dtype)


def _expm1(w: Writer, a: Operand) -> Tensor:
    """``(u - 1) * x / log(u)`` with ``u = exp(x)``, for the same reason; far from 0 ``u - 1`` itself."""
    x = tensor_of(w, a, _wide(a))
    one = w.constant(np.ones((), NUMPY[x.dtype]), "one")
    u = w.op("Exp", x)
    minus = w.op("Sub", u, one)
    near = w.op("Div", w.op("Mul", minus, x), w.op("Log", u))
    small = _flag(w, "Less", w.op("Abs", x), 1.0)
    corrected = w.op("Where", _flag(w, "Equal", minus, 0.0), x, near, dtype=x.dtype)
    return w.op("Where", small, corrected, minus, dtype=x.dtype)


def _flag(w: Writer, kind: str, x: Tensor, value: float) -> Tensor:
    return w.op(kind, x, w.constant(np.asarray(value, NUMPY[x.dtype]), "limit"), dtype=BOOL)


UFUNCS: dict[str, Operation] = {
    "add": _arithmetic("Add"),
    "subtract": _arithmetic("Sub"),
    "multiply": _arithmetic("Mul"),
    "divide": _floats("Div"),
    "maximum": _arithmetic("Max"),
    "minimum": _arithmetic("Min"),
    "negative": _unary("Neg"),
    "positive": _same,
    "absolute": _unary("Abs"),
    "fabs": _floats("Abs"),
    "square": _square,
    "sqrt": _floats("Sqrt"),
    "reciprocal": _reciprocal,
    "floor": _floats("Floor"),
    "ceil": _floats("Ceil"),
    "rint": _floats("Round"),
    "trunc": _trunc,
    "sign": _sign,
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "greater": _compared("Greater"),
    "greater_equal": _compared("GreaterOrEqual"),
    "less": _compared("Less"),
    "less_equal": _compared("LessOrEqual"),
    "equal": _compared("Equal"),
    "not_equal": _compared("Equal", negated=True),
    "logical_and": _logical("And"),
    "logical_or": _logical("Or"),
    "logical_xor": _logical("Xor"),
    "logical_not": _logical("Not"),
    "bitwise_and": _logical("And", bitwise=True),
    "bitwise_or": _logical("Or", bitwise=True),
    "bitwise_xor": _logical("Xor", bitwise=True),
    "invert": _logical("Not", bitwise=True),
    "exp": _floats("Exp"),
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _floats("Log"),
    "log2": _scaled_log(2),
    "log10": _scaled_log(10),
    "log1p": _log1p,
    "sin": _floats("Sin"),
    "cos": _floats("Cos"),
    "tanh": _floats("Tanh"),
    "power": _floats("Pow"),
}
INEXACT = frozenset(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tanh", "power"))
"""numpy and onnxruntime round these in their own ways."""
