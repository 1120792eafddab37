"""Rows with named columns, each of numbers or of strings, from CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.errors import SourceError

Matrix = NDArray[np.float64]
MAX_DATA_BYTES = 1 << 28
"""256 MiB: every cell of it is kept, as text and as number."""
MAX_CELLS = 50_000_000
LISTED = 12
TRUTH = {"True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0, "TRUE": 1.0, "FALSE": 0.0}
"""What pandas reads as booleans, and a trainer as numbers."""
NOT_FINITE = "is one of numbers, but row {} ({}) is not a finite number"


@dataclass(frozen=True)
class Column:
    """One column: numbers, strings, or neither."""

    numbers: Matrix | None = None
    """``(n,)`` without infinities, NaN where the cell is missing. None: it holds no numbers."""
    cells: tuple[str, ...] | None = None
    """As written, the empty string where the cell is missing. None: a file with types holds numbers."""
    problem: str = ""
    """Why it can be used as neither."""


@dataclass(frozen=True)
class Table:
    """Columns by name, all of one length."""

    path: Path
    header: tuple[str, ...]
    rows: int
    columns: tuple[Column, ...] = field(repr=False)

    def is_text(self, name: str) -> bool:
        """Whether a column holds strings, and not numbers.

        Raises:
            SourceError: there is no such column, or it holds neither.
        """
        return self._column(name).numbers is None

    def matrix(self, names: Sequence[str]) -> Matrix:
        """The named columns, ``(n, len(names)) float64``; a missing cell is NaN.

        Raises:
            SourceError: there is no such column, or a cell is not a finite number.
        """
        found = np.empty((self.rows, len(names)))
        for place, name in enumerate(names):
            column = self._column(name)
            if column.numbers is None:
                raise SourceError(self.no_number(name))
            found[:, place] = column.numbers
        return found

    def text(self, name: str) -> tuple[str, ...]:
        """One column as it is written, a missing cell as the empty string.

        Numbers of a file with types are written as short as can be, without a fraction where there is none.

        Raises:
            SourceError: there is no such column, or it holds neither numbers nor strings.
        """
        column = self._column(name)
        if column.cells is not None:
            return column.cells
        numbers = [] if column.numbers is None else column.numbers.tolist()
        return tuple(_written(value) for value in numbers)

    def no_number(self, name: str) -> str:
        """Which cell of a column of strings is no number, for an error."""
        cells = self._column(name).cells or ()
        row = next((number for number, cell in enumerate(cells) if not _is_finite(cell)), 0)
        return (
            f"{self.path}: row {row + 1}, column {name!r}: {cells[row][:80]!r} is not a finite number; "
            "leave the cell empty where it is missing"
        )

    def demand(self, names: Sequence[str], why: str) -> None:
        """Refuse to go on without these columns; ``why`` says who wants them.

        Raises:
            SourceError: one is missing.
        """
        known = set(self.header)
        if missing := [name for name in names if name not in known]:
            noun = "column" if len(missing) == 1 else "columns"
            absent = listing([repr(name) for name in missing])
            raise SourceError(f"{self.path} has no {noun} {absent}; {why}")

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.header)}

    def _column(self, name: str) -> Column:
        self.demand([name], f"its header names {listing(self.header)}")
        column = self.columns[self._places[name]]
        if column.problem:
            raise SourceError(f"{self.path}: column {name!r} {column.problem}")
        return column


def read(path: Path) -> Table:
    """Read ``.parquet``, or CSV in UTF-8 whose first line names the columns.

    A CSV column whose cells that are not missing are all finite numbers is one of numbers, any other one of
    strings. An empty cell is missing, and so is ``nan`` among numbers. Blank lines do not count.

    Raises:
        SourceError: it cannot be read, is too large, has no rows, or rows of different lengths.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    if size > MAX_DATA_BYTES:
        raise SourceError(
            f"{path} has {size} bytes; at most {MAX_DATA_BYTES} are read: take a sample of the rows"
        )
    if path.suffix == ".parquet":
        from convert.sources import typedtable  # loads pyarrow, which CSV does not need

        header, columns, rows = typedtable.read(path)
    else:
        header, columns, rows = _csv(path)
    if not rows:
        raise SourceError(f"{path} has no rows; expected a header and at least one row")
    check_header(path, header)
    return Table(path, header, rows, columns)


def listing(names: Iterable[str]) -> str:
    """Names for an error line, the first dozen of many."""
    names = tuple(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def check_cells(path: Path, rows: int, columns: int) -> None:
    """Refuse more cells than are kept.

    Raises:
        SourceError
    """
    if rows * columns > MAX_CELLS:
        raise SourceError(
            f"{path} has more than {MAX_CELLS} cells ({columns} columns); take a sample of the rows"
        )


def check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse names that tell no column.

    Raises:
        SourceError
    """
    seen: set[str] = set()
    for number, name in enumerate(header, 1):
        if not name:
            raise SourceError(
                f"{path}: column {number} has no name; a pandas index is left out with to_csv(index=False)"
            )
        if name in seen:
            raise SourceError(f"{path} has two columns named {name!r}; rename or remove one")
        seen.add(name)


def _csv(path: Path) -> tuple[tuple[str, ...], tuple[Column, ...], int]:
    lines: list[list[str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line in csv.reader(file):
                if line:
                    lines.append(line)
                    check_cells(path, len(lines), len(lines[0]))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is not CSV in UTF-8: {error}") from None
    if len(lines) < 2:
        return (), (), 0
    header = tuple(name.strip() for name in lines.pop(0))
    for number, line in enumerate(lines, 1):
        if len(line) != len(header):
            raise SourceError(f"{path}: row {number} has {len(line)} cells, the header names {len(header)}")
    columns = zip(*lines, strict=True) if lines else iter(())
    return header, tuple(_of_cells(cells) for cells in columns), len(lines)


def _of_cells(cells: tuple[str, ...]) -> Column:
    try:
        numbers = np.array([_number(cell) for cell in cells])
    except ValueError:
        return Column(cells=tuple("" if not cell.strip() else cell for cell in cells))
    if not np.isinf(numbers).any():
        return Column(numbers, cells)
    row = int(np.argmax(np.isinf(numbers)))
    return Column(cells=cells, problem=NOT_FINITE.format(row + 1, cells[row]))


def _number(cell: str) -> float:
    if not cell or cell.isspace():
        return np.nan
    if cell in TRUTH:
        return TRUTH[cell]
    if "_" in cell:  # which float() would overlook
        raise ValueError
    return float(cell)


def _written(value: float) -> str:
    if value != value:
        return ""
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _is_finite(cell: str) -> bool:
    try:
        return not np.isinf(_number(cell))
    except ValueError:
        return False
