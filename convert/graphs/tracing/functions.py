"""numpy's functions that are made of several element by element operations, or that move columns about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from convert.graphs.tracing.arrays import FUNCTIONS, Traced, apply, common_width, operand
from convert.graphs.tracing.elementwise import TENSOR, Unfollowed, promoted, tensor_of
from convert.graphs.writer import BOOL, INT64, STRING

Function = TypeVar("Function", bound=Callable[..., Any])
SEQUENTIAL = 8
"""numpy adds up a row of fewer numbers from left to right, a longer one in an order of its own."""


def _known(function: Function) -> Function:
    FUNCTIONS[function.__name__.rstrip("_")] = function
    return function


@_known
def where(condition: Any, *ways: Any) -> Traced:
    """One of two values."""
    if len(ways) != 2:
        raise Unfollowed("np.where without two values to choose from: places depend on the data")
    flags = condition if isinstance(condition, Traced) else None
    if flags is None or flags.tensor.dtype != BOOL:
        raise Unfollowed("np.where on anything but a comparison of the data")
    trace, w = flags.trace, flags.trace.writer
    operands = [operand(way) for way in ways]
    dtype = promoted(*operands)
    inner = np.dtype(np.int64) if dtype == np.bool_ else dtype  # onnxruntime has no Where of flags
    yes, no = (tensor_of(w, one, inner) for one in operands)
    width = common_width([flags, *ways])
    chosen = w.op("Where", flags.tensor, yes, no, dtype=TENSOR[inner])
    return Traced(trace, w.cast(chosen, TENSOR[dtype]), width)


@_known
def select(conditions: Sequence[Any], values: Sequence[Any], default: Any = 0) -> Traced:
    """The value of the first condition that holds."""
    pairs = list(zip(conditions, values, strict=True))
    found: Traced = reduce(lambda rest, pair: where(pair[0], pair[1], rest), reversed(pairs), default)
    return found


@_known
def clip(array: Traced, a_min: Any = None, a_max: Any = None, **options: Any) -> Traced:
    """Inside two bounds, either of which may be missing; a DataFrame calls them lower and upper."""
    low = options.pop("lower", options.pop("min", a_min))
    high = options.pop("upper", options.pop("max", a_max))
    if any(value is not None for value in options.values()):
        raise Unfollowed(f"clip with {', '.join(options)}")
    if low is not None:
        array = apply(array.trace, "maximum", (array, low))
    return array if high is None else apply(array.trace, "minimum", (array, high))


@_known
def column_stack(arrays: Sequence[Any]) -> Traced:
    """Columns and matrices side by side."""
    return _beside([_matrix(array) for array in arrays])


@_known
def hstack(arrays: Sequence[Any], **options: Any) -> Traced:
    """Matrices side by side."""
    return concatenate(arrays, axis=1, **options)


@_known
def concatenate(arrays: Sequence[Any], axis: int | None = 0, **options: Any) -> Traced:
    """Matrices side by side."""
    if options or axis not in (1, -1) or any(_constant(a) or a.width is None for a in arrays):
        raise Unfollowed("putting rows under each other; np.column_stack puts columns side by side")
    return _beside(list(arrays))


@_known
def stack(arrays: Sequence[Any], axis: int = 0, **options: Any) -> Traced:
    """Columns side by side."""
    if options or axis not in (1, -1) or any(_constant(a) or a.width is not None for a in arrays):
        raise Unfollowed("np.stack of anything but columns (axis=1)")
    return column_stack(arrays)


@_known
def nan_to_num(array: Traced, copy: bool = True, nan: float = 0.0, **options: Any) -> Traced:
    """Another number for NaN, and the largest ones for the infinities."""
    if not copy:
        raise Unfollowed("np.nan_to_num in place (copy=False)")
    largest = float(np.finfo(array.dtype).max)
    high, low = options.get("posinf"), options.get("neginf")
    found = fillna(array, nan)
    for value, given, fallback in ((np.inf, high, largest), (-np.inf, low, -largest)):
        same = apply(array.trace, "equal", (array, value))
        found = where(same, fallback if given is None else given, found)
    return found


@_known
def fillna(array: Traced, value: Any) -> Traced:
    """Another number for NaN."""
    return where(apply(array.trace, "isnan", (array,)), value, array)


@_known
def isna(array: Traced) -> Traced:
    """Where a number is missing."""
    return apply(array.trace, "isnan", (array,))


@_known
def notna(array: Traced) -> Traced:
    """Where none is."""
    return apply(array.trace, "logical_not", (isna(array),))


FUNCTIONS["isnull"] = isna


@_known
def abs_(array: Traced) -> Traced:
    """Without the sign."""
    return apply(array.trace, "absolute", (array,))


@_known
def round_(array: Traced, decimals: int = 0, **options: Any) -> Traced:
    """To whole numbers, halves to the even one."""
    if decimals != 0 or any(value is not None for value in options.values()):
        raise Unfollowed("rounding to decimals")
    return apply(array.trace, "rint", (array,))


FUNCTIONS["around"] = FUNCTIONS["round"]


@_known
def isin(array: Traced, values: Any, invert: bool = False, **options: Any) -> Traced:
    """Whether a number or a string is one of those; a number is no string that looks like it."""
    w, known = array.trace.writer, list(values)
    texts = [one for one in known if isinstance(one, str)]
    if array.tensor.dtype == STRING or (array.trace.blind and texts):
        if not texts:
            raise Unfollowed("looking for anything but strings among strings")
        keys = sorted(set(texts))
        found = w.ml(
            "LabelEncoder",
            array.tensor,
            dtype=INT64,
            keys_strings=keys,
            values_int64s=[1] * len(keys),
            default_int64=0,
        )
        flags = Traced(array.trace, w.cast(found, BOOL), array.width)
    else:
        if any(one != one for one in known):
            raise Unfollowed("looking for NaN among numbers, which numpy never finds and pandas does")
        same = [apply(array.trace, "equal", (array, np.float64(one))) for one in known]
        flags = reduce(lambda a, b: apply(array.trace, "logical_or", (a, b)), same)
    return apply(array.trace, "logical_not", (flags,)) if invert else flags


@_known
def digitize(array: Traced, bins: Any, right: bool = False) -> Traced:
    """Number of the bin; edges rising; NaN is beyond them all."""
    edges = np.asarray(bins, np.float64)
    if edges.ndim != 1 or (np.diff(edges) < 0).any():
        raise Unfollowed("np.digitize with edges that do not rise")
    below = [apply(array.trace, "less_equal" if right else "less", (array, edge)) for edge in edges]
    found: Traced = reduce(lambda a, b: a + b, [(~one).astype(np.int64) for one in below])
    return found


@_known
def sum_(array: Traced, axis: int | None = None, **options: Any) -> Traced:
    """Over the columns, from left to right; flags are counted."""
    if array.tensor.dtype == BOOL:
        array = array.astype(np.int64)
    columns = _columns(array, axis, options, "sum")
    if len(columns) >= SEQUENTIAL:
        array.trace.inexact.add("sum")
    total = reduce(lambda a, b: a + b, columns)
    return total.reshape(-1, 1) if options.get("keepdims") else total


@_known
def mean(array: Traced, axis: int | None = None, **options: Any) -> Traced:
    """The sum divided by the number of columns."""
    total: Traced = sum_(array, axis, **options)
    found: Traced = total / float(array.width or 1)
    return found


@_known
def max_(array: Traced, axis: int | None = None, **options: Any) -> Traced:
    """The largest of the columns."""
    return _extreme(array, axis, options, "maximum")


@_known
def min_(array: Traced, axis: int | None = None, **options: Any) -> Traced:
    """The smallest of the columns."""
    return _extreme(array, axis, options, "minimum")


FUNCTIONS["amax"], FUNCTIONS["amin"] = FUNCTIONS["max"], FUNCTIONS["min"]


@_known
def diff(array: Traced, n: int = 1, axis: int = -1, **options: Any) -> Traced:
    """Each column minus the one before."""
    if array.width is None or n != 1 or axis not in (1, -1) or options:
        raise Unfollowed("np.diff over the rows")
    later: Traced = array[:, 1:] - array[:, :-1]
    return later


@_known
def ones_like(array: Traced, **options: Any) -> Traced:
    """1 in every row."""
    return full_like(array, 1.0, **options)


@_known
def zeros_like(array: Traced, **options: Any) -> Traced:
    """0 in every row."""
    return full_like(array, 0.0, **options)


@_known
def full_like(array: Traced, value: Any, **options: Any) -> Traced:
    """The same number in every row, whatever the data is."""
    if any(one is not None for one in options.values()):
        raise Unfollowed(f"np.full_like with {', '.join(options)}")
    return filled(array, np.asarray(value, array.dtype))


@_known
def squeeze(array: Traced, axis: int | None = None) -> Traced:
    """``(n, 1)`` to ``(n,)``."""
    return array.reshape(-1)


@_known
def ravel(array: Traced, **options: Any) -> Traced:
    """``(n, 1)`` to ``(n,)``."""
    return array.reshape(-1)


@_known
def reshape(array: Traced, shape: Any, **options: Any) -> Traced:
    """``(n,)`` to ``(n, 1)`` and back."""
    return array.reshape(shape)


@_known
def ndim(array: Traced) -> int:
    """1 or 2."""
    return array.ndim


@_known
def shape(array: Traced) -> tuple[Any, ...]:
    """Of which the number of rows is nobody's business."""
    return array.shape


class Beside:
    """Stands for ``np.c_`` while a function is followed, as numpy's own asks for known numbers."""

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        return column_stack(parts) if any(isinstance(part, Traced) for part in parts) else NUMPYS_OWN[key]


NUMPYS_OWN: Any = np.c_


def filled(like: Traced, value: Any) -> Traced:
    """The same number in its own dtype, as often as there are rows."""
    constant = np.asarray(value)
    text = like.tensor.dtype == STRING
    flags = isin(like, [""]) if text else isna(like)
    found: Traced = where(flags, constant, constant)
    return found


def _extreme(array: Traced, axis: int | None, options: dict[str, Any], name: str) -> Traced:
    columns = _columns(array, axis, options, name)
    found = reduce(lambda a, b: apply(array.trace, name, (a, b)), columns)
    return found.reshape(-1, 1) if options.get("keepdims") else found


def _columns(array: Traced, axis: int | None, options: dict[str, Any], name: str) -> list[Traced]:
    asked = {key for key, value in options.items() if value is not None and key != "keepdims"}
    if array.width is None or axis not in (1, -1) or asked:
        raise Unfollowed(f"np.{name} over the rows; axis=1 can be followed")
    return [array[:, place] for place in range(array.width)]


def _constant(value: Any) -> bool:
    return not isinstance(value, Traced)


def _matrix(array: Any) -> Traced:
    if not isinstance(array, Traced):
        raise Unfollowed("a constant with rows of its own; np.ones_like(X[:, 0]) makes a column")
    return array.reshape(-1, 1) if array.width is None else array


def _beside(arrays: list[Traced]) -> Traced:
    trace = arrays[0].trace
    dtype = np.result_type(*[array.dtype for array in arrays])
    if dtype not in TENSOR:
        raise Unfollowed(f"numbers of dtype {dtype}")
    parts = [array.astype(dtype) for array in arrays]
    joined = trace.writer.concat(*[part.tensor for part in parts])
    return Traced(trace, joined, sum(part.width or 1 for part in parts))
