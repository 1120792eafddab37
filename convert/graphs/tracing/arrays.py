"""An array that only writes down what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from convert.graphs.tracing.elementwise import INEXACT, NUMPY, TENSOR, UFUNCS, Operand, Unfollowed
from convert.graphs.writer import DOUBLE, FLOAT, STRING, Tensor, Writer

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""numpy's functions that can be followed, filled by ``convert.graphs.tracing.functions``."""
METHODS = ("clip", "sum", "mean", "max", "min", "round", "fillna", "isna", "notna", "isnull", "abs", "isin")
"""Methods that are functions, too; of arrays and of columns of a DataFrame."""


class Trace:
    """One run of one function."""

    def __init__(self, writer: Writer, blind: bool = False) -> None:
        """``writer`` takes the nodes; ``blind``: they are asked for only to see what is done."""
        self.writer = writer
        self.blind = blind
        """Nobody has said which columns are strings: those that are compared with strings."""
        self.inexact: set[str] = set()
        """Operations that onnxruntime rounds otherwise than numpy."""


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A column ``(n,)`` or a matrix ``(n, k)`` whose numbers nobody knows yet."""

    __array_priority__ = 1000

    def __init__(self, trace: Trace, tensor: Tensor, width: int | None) -> None:
        """``tensor`` is ``(n, width)``; ``width`` None: ``(n, 1)``, shown as ``(n,)``."""
        self.trace = trace
        self.tensor = tensor
        self.width = width

    @property
    def ndim(self) -> int:
        """Of the array that it stands for."""
        return 1 if self.width is None else 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array that it stands for."""
        return NUMPY[self.tensor.dtype] if self.tensor.dtype != STRING else np.dtype(object)

    @property
    def shape(self) -> tuple[Any, ...]:
        """With something in place of the number of rows that no function may look at."""
        return (Rows(),) if self.width is None else (Rows(), self.width)

    @property
    def T(self) -> NoReturn:
        """Rows would become columns."""
        raise Unfollowed("transposing (.T)")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise Unfollowed(
            "turning the data into an array of known numbers (np.array, np.c_ or such); "
            "np.column_stack and np.where can be followed"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """numpy's way in for its element by element operations."""
        if method != "__call__" or any(value is not None for value in options.values()):
            raise Unfollowed(f"np.{ufunc.__name__} with {method if method != '__call__' else list(options)}")
        return apply(self.trace, ufunc.__name__, inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """numpy's way in for its other functions."""
        if function.__name__ not in FUNCTIONS:
            raise Unfollowed(f"np.{function.__name__}")
        return FUNCTIONS[function.__name__](*args, **options)

    def __getitem__(self, key: Any) -> Traced:
        return chosen(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise Unfollowed("assigning to parts of the array; np.where and np.column_stack can be followed")

    def __bool__(self) -> NoReturn:
        raise Unfollowed("a branch that looks at the data (if, and, or); np.where can be followed")

    def __len__(self) -> NoReturn:
        raise Unfollowed("counting the rows (len)")

    def __iter__(self) -> NoReturn:
        raise Unfollowed("a loop over the rows")

    def __float__(self) -> NoReturn:
        raise Unfollowed("one number out of the data (float, math functions)")

    __int__ = __index__ = __float__

    def __pow__(self, exponent: Any) -> Traced:
        """numpy's operator has ways of its own for these exponents, which its function np.power has not."""
        own = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}
        if isinstance(exponent, int | float) and exponent in own and self.tensor.dtype in (DOUBLE, FLOAT):
            return apply(self.trace, own[exponent], (self,))
        return apply(self.trace, "power", (self, exponent))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in METHODS:
            return lambda *args, **options: FUNCTIONS[name](self, *args, **options)
        raise Unfollowed(f".{name}")

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """In another dtype; numbers lose their fraction on the way to int, as in numpy."""
        wanted = np.dtype(dtype)
        if wanted not in TENSOR or self.tensor.dtype == STRING:
            raise Unfollowed(f".astype({wanted})")
        return Traced(self.trace, self.trace.writer.cast(self.tensor, TENSOR[wanted]), self.width)

    def reshape(self, *shape: Any) -> Traced:
        """``(n,)`` to ``(n, 1)`` and back."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if wanted == (-1, 1) and self.width in (None, 1):
            return Traced(self.trace, self.tensor, 1)
        if wanted == (-1,) and self.width in (None, 1):
            return Traced(self.trace, self.tensor, None)
        raise Unfollowed(f".reshape{wanted}")

    def ravel(self) -> Traced:
        """Of one column."""
        return self.reshape(-1)

    def to_numpy(self) -> Traced:
        """Of a column of a DataFrame: itself."""
        return self

    @property
    def values(self) -> Traced:
        """The same."""
        return self

    def copy(self, *args: Any, **options: Any) -> Traced:
        """Nothing is changed in place, so itself."""
        return self


class Rows:
    """The number of rows: known to nobody while the graph is written."""

    def _refuse(self, *_: Any) -> NoReturn:
        raise Unfollowed("counting the rows (.shape[0])")

    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __floordiv__ = __truediv__ = _refuse
    __int__ = __index__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse

    def __eq__(self, other: object) -> bool:
        """Nobody knows."""
        self._refuse()

    __hash__ = object.__hash__


def apply(trace: Trace, name: str, inputs: Sequence[Any]) -> Traced:
    """One element by element operation of numpy."""
    if name not in UFUNCS:
        raise Unfollowed(f"np.{name}")
    strings = any(isinstance(one, Traced) and one.tensor.dtype == STRING for one in inputs)
    if strings or (trace.blind and isinstance(inputs[-1], str)):
        if name in ("equal", "not_equal") and isinstance(inputs[1], str):
            flags: Traced = FUNCTIONS["isin"](inputs[0], [inputs[1]], invert=name == "not_equal")
            return flags
        raise Unfollowed(f"np.{name} of strings; encode them in a ColumnTransformer")
    width = common_width(inputs)
    operands = [operand(one) for one in inputs]
    if name in INEXACT:
        trace.inexact.add(name)
    return Traced(trace, UFUNCS[name](trace.writer, *operands), width)


def operand(value: Any) -> Operand:
    """An input of an operation, whatever the function has handed over."""
    if isinstance(value, Traced):
        return Operand(value.tensor, value.dtype, None)
    if isinstance(value, bool | int | float):
        return Operand(None, value, value)  # a Python number takes the dtype of what it meets
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise Unfollowed(f"a constant of dtype {array.dtype}")
    return Operand(None, array.dtype, array)


def common_width(inputs: Sequence[Any]) -> int | None:
    """Columns of the result; numpy's rules, without those under which rows would meet columns."""
    arrays = [one for one in inputs if isinstance(one, Traced)]
    widths = {one.width for one in arrays}
    constants = [np.shape(one) for one in inputs if not isinstance(one, Traced)]
    if None in widths and (len(widths) > 1 or any(shape not in ((), (1,)) for shape in constants)):
        raise Unfollowed("(n,) and (n, k) together; use X[:, [i]] or .reshape(-1, 1) for a column")
    if None in widths:
        return None
    for shape in constants:
        if len(shape) > 2 or (len(shape) == 2 and shape[0] != 1):
            raise Unfollowed("a constant with rows of its own")
        widths.add(shape[-1] if shape else 1)
    wide = {width for width in widths if width != 1}
    if len(wide) > 1:
        raise Unfollowed(f"arrays of {sorted(map(str, wide))} columns together")
    return wide.pop() if wide else 1


def chosen(array: Traced, key: Any) -> Traced:
    """``X[:, key]``: all rows, some columns."""
    if isinstance(key, tuple) and len(key) == 2 and key[0] is Ellipsis:
        key = (slice(None), key[1])
    if array.width is None:
        if isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None) and key[1] is None:
            return Traced(array.trace, array.tensor, 1)
        raise Unfollowed("choosing rows")
    if not isinstance(key, tuple) or len(key) != 2 or not isinstance(key[0], slice) or key[0] != slice(None):
        raise Unfollowed("choosing rows; X[:, columns] can be followed")
    if key[1] is None or isinstance(key[1], Traced):
        raise Unfollowed("columns that depend on the data")
    picked = np.arange(array.width)[key[1]]
    if picked.ndim > 1:
        raise Unfollowed("an array of three dimensions")
    tensor = array.trace.writer.columns(array.tensor, np.atleast_1d(picked))
    return Traced(array.trace, tensor, None if picked.ndim == 0 else len(picked))
