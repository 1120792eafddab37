"""A DataFrame that only writes down what is done to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from convert.graphs.frame import Columns, Part, flattened, select
from convert.graphs.tracing.arrays import Trace, Traced, apply
from convert.graphs.tracing.elementwise import Unfollowed
from convert.graphs.tracing.functions import filled
from convert.graphs.writer import Tensor


class TracedFrame:
    """Named columns, of numbers and of strings, to be read, replaced, added, dropped and reordered."""

    def __init__(self, trace: Trace, columns: dict[str, Traced]) -> None:
        """Each column is ``(n,)``."""
        self.trace = trace
        self._columns = dict(columns)

    @classmethod
    def of(cls, trace: Trace, x: Columns, names: Sequence[str]) -> TracedFrame:
        """A frame under those names."""
        singles = [select(trace.writer, x, [place], len(names)) for place in range(len(names))]
        tensors = [one if isinstance(one, Tensor) else one.parts[0].tensor for one in singles]
        return cls(
            trace, {name: Traced(trace, tensor, None) for name, tensor in zip(names, tensors, strict=True)}
        )

    def joined(self) -> Columns:
        """All columns, in their order."""
        parts = [Part(column.tensor, 1) for column in self._columns.values()]
        if not parts:
            raise Unfollowed("dropping every column")
        return flattened(self.trace.writer, parts)

    @property
    def columns(self) -> list[str]:
        """Names, in order."""
        return list(self._columns)

    @property
    def values(self) -> Traced:
        """The matrix of numbers."""
        return self.to_numpy()

    def to_numpy(self, *args: Any, **options: Any) -> Traced:
        """The matrix of numbers."""
        joined = self.joined()
        if args or options or not isinstance(joined, Tensor):
            raise Unfollowed("to_numpy of strings next to numbers, or with a dtype")
        return Traced(self.trace, joined, len(self._columns))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._columns[key]
        if isinstance(key, Traced):
            raise Unfollowed("choosing rows")
        return TracedFrame(self.trace, _named((name, self._columns[name]) for name in key))

    def __setitem__(self, key: str, value: Any) -> None:
        self._columns[key] = self._column(value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._columns:
            return self._columns[name]
        raise Unfollowed(f".{name} of a DataFrame")

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __len__(self) -> NoReturn:
        raise Unfollowed("counting the rows (len)")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise Unfollowed("turning the data into an array of known numbers; .to_numpy() can be followed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """An operation on every column."""
        if method != "__call__" or options or len(inputs) != 1:
            raise Unfollowed(f"np.{ufunc.__name__} of a whole DataFrame with something else")
        done = {name: apply(self.trace, ufunc.__name__, (one,)) for name, one in self._columns.items()}
        return TracedFrame(self.trace, done)

    def copy(self, *args: Any, **options: Any) -> TracedFrame:
        """Columns set in the copy are not set here."""
        return TracedFrame(self.trace, self._columns)

    def assign(self, **columns: Any) -> TracedFrame:
        """With more columns; each may be a function of the frame so far."""
        made = self.copy()
        for name, value in columns.items():
            made[name] = value(made) if callable(value) else value
        return made

    def drop(self, labels: Any = None, *, axis: Any = 0, columns: Any = None, **options: Any) -> TracedFrame:
        """Without some columns."""
        named = labels if columns is None and axis in (1, "columns") else columns
        if named is None or options:
            raise Unfollowed("dropping rows")
        gone = {named} if isinstance(named, str) else set(named)
        kept = {name: one for name, one in self._columns.items() if name not in gone}
        return TracedFrame(self.trace, kept)

    def rename(self, *, columns: dict[str, str]) -> TracedFrame:
        """Under other names."""
        return TracedFrame(self.trace, _named((columns.get(n, n), one) for n, one in self._columns.items()))

    def _column(self, value: Any) -> Traced:
        if isinstance(value, Traced):
            return value.reshape(-1)
        if isinstance(value, bool | int | float):
            like = next(iter(self._columns.values()))
            return filled(like, value)
        raise Unfollowed("a column that is neither computed from the data nor one number")


def _named(columns: Iterable[tuple[str, Traced]]) -> dict[str, Traced]:
    found: dict[str, Traced] = {}
    for name, column in columns:
        if name in found:
            raise Unfollowed(f"two columns of the name {name!r}")
        found[name] = column
    return found
