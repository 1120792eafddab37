"""Reads Parquet, whose columns come with types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import SourceError
from convert.sources.table import NOT_FINITE, Column, check_cells

INSTALL = "pip install 'ml-production-service[convert]'"
PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def read(path: Path) -> tuple[tuple[str, ...], tuple[Column, ...], int]:
    """Names, columns and number of rows. What pandas stored as the index of the rows is left out.

    Raises:
        SourceError: it is no Parquet file, too large, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise SourceError(f"{path}: reading Parquet needs pyarrow; run: {INSTALL}") from None
    try:
        with parquet.ParquetFile(path) as file:
            check_cells(path, file.metadata.num_rows, file.metadata.num_columns)
            table = file.read(use_threads=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise SourceError(f"{path} is not a Parquet file that can be read: {reason}") from None
    names = [name for name in table.column_names if not PANDAS_INDEX.fullmatch(name)]
    places = [place for place, name in enumerate(table.column_names) if not PANDAS_INDEX.fullmatch(name)]
    return tuple(names), tuple(_column(table.column(place)) for place in places), table.num_rows


def _column(values: Any) -> Column:
    """One column; a dictionary stands for the values that it holds."""
    import pyarrow
    from pyarrow import types

    kind = values.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        values = values.cast(kind)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _strings(values)
    if types.is_null(kind):
        return Column(np.full(len(values), np.nan))
    if not (types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)):
        return Column(
            problem=f"is of type {kind}; expected numbers, booleans or strings: turn it into one of these, "
            "as was done for training"
        )
    if types.is_boolean(kind):
        values = values.cast(pyarrow.int8())
    try:
        doubles = values.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return Column(problem=f"({kind}) holds an integer beyond 2^53, which no float64 holds exactly")
    numbers = np.array(doubles.to_numpy(), np.float64)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers)))
        return Column(problem=NOT_FINITE.format(row + 1, numbers[row]))
    return Column(numbers)


def _strings(values: Any) -> Column:
    try:
        found = values.to_pylist()
    except UnicodeDecodeError:
        return Column(problem="holds strings that are not UTF-8")
    return Column(cells=tuple("" if not value or value.isspace() else value for value in found))
