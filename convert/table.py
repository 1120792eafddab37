"""Reads rows from a CSV file with a header."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.errors import SourceError


@dataclass(frozen=True)
class Table:
    """Columns as text; cells become numbers when they are asked for."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    def matrix(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The named columns, ``(n, len(names)) float64``; an empty cell is NaN.

        Raises:
            SourceError: there is no such column, or a cell is not a finite number.
        """
        columns = [self._column(name) for name in names]
        rows = np.empty((len(self.lines), len(names)))
        for number, line in enumerate(self.lines):
            for place, column in enumerate(columns):
                rows[number, place] = self._number(line[column], names[place], number)
        return rows

    def text(self, name: str) -> tuple[str, ...]:
        """One column as it is written.

        Raises:
            SourceError: there is no such column.
        """
        column = self._column(name)
        return tuple(line[column] for line in self.lines)

    def _column(self, name: str) -> int:
        if name not in self.header:
            raise SourceError(
                f"{self.path} has no column {name!r}; its header names {', '.join(self.header)}"
            )
        return self.header.index(name)

    def _number(self, cell: str, name: str, row: int) -> float:
        try:
            value = float(cell) if cell.strip() else np.nan
        except ValueError:
            value = np.inf
        if np.isinf(value):
            raise SourceError(f"{self.path}: row {row + 1}, column {name!r}: {cell!r} is not a finite number")
        return value


def read(path: Path) -> Table:
    """Read a CSV file in UTF-8 whose first line names the columns.

    Raises:
        SourceError: it cannot be read, has no rows, or rows of different lengths.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [tuple(line) for line in csv.reader(file) if line]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is not CSV in UTF-8: {error}") from None
    if len(lines) < 2:
        raise SourceError(f"{path} has no rows; expected a header and at least one row")
    header = tuple(name.strip() for name in lines[0])
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise SourceError(f"{path}: row {number} has {len(line)} cells, the header names {len(header)}")
    return Table(path, header, tuple(lines[1:]))
