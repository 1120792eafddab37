"""Rows are read from CSV as they are written, and every fault is told with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.errors import SourceError
from convert.table import Table, read


def table(folder: Path, text: str) -> Table:
    """Write and read."""
    (folder / "rows.csv").write_bytes(text.encode())
    return read(folder / "rows.csv")


def test_columns_by_name(tmp_path: Path) -> None:
    """Columns come in the order asked for; an empty cell is NaN; blank lines do not count."""
    rows = table(tmp_path, "\ufeffa, b,kind\n1,2,x\n\n3,,y\n")
    assert rows.header == ("a", "b", "kind")
    assert np.array_equal(rows.matrix(["b", "a"]), [[2.0, 1.0], [np.nan, 3.0]], equal_nan=True)
    assert rows.text("kind") == ("x", "y")


@pytest.mark.parametrize("cell", ["one", "inf", "1e999"])
def test_cells_must_be_finite_numbers(cell: str, tmp_path: Path) -> None:
    """A cell that is no finite number is named by row and column."""
    with pytest.raises(SourceError, match=rf"row 2, column 'a': '{cell}' is not a finite number"):
        table(tmp_path, f"a\n1\n{cell}\n").matrix(["a"])


def test_unknown_column(tmp_path: Path) -> None:
    """An unknown column is refused with those that there are."""
    with pytest.raises(SourceError, match="has no column 'c'; its header names a, b"):
        table(tmp_path, "a,b\n1,2\n").matrix(["c"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "has no rows"), ("a\n", "has no rows"), ("a,b\n1\n", "row 1 has 1 cells, the header names 2")],
)
def test_tables_without_shape(text: str, reason: str, tmp_path: Path) -> None:
    """A file without rows, or with rows of different lengths, is refused."""
    with pytest.raises(SourceError, match=reason):
        table(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a file in another encoding are refused with the reason."""
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(SourceError, match="is not CSV in UTF-8"):
        read(tmp_path / "latin.csv")
