"""Rows are read as they are written, with their types, and every fault is told with its place."""

from __future__ import annotations

import csv
import math
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from convert.errors import SourceError
from convert.sources import table as tables
from convert.sources.table import Table, listing, read


def table(folder: Path, text: str) -> Table:
    """Write and read CSV."""
    (folder / "rows.csv").write_bytes(text.encode())
    return read(folder / "rows.csv")


def typed(folder: Path, **columns: Any) -> Table:
    """Write and read Parquet."""
    parquet.write_table(pa.table(columns), folder / "rows.parquet")
    return read(folder / "rows.parquet")


def test_columns_by_name(tmp_path: Path) -> None:
    """Columns come in the order asked for; an empty cell is NaN; blank lines do not count."""
    rows = table(tmp_path, "\ufeffa, b,kind\n1,2,x\n\n3,,y\n")
    assert rows.header == ("a", "b", "kind")
    assert rows.rows == 2
    assert np.array_equal(rows.matrix(["b", "a"]), [[2.0, 1.0], [np.nan, 3.0]], equal_nan=True)
    assert rows.text("kind") == ("x", "y")
    assert [rows.is_text(name) for name in rows.header] == [False, False, True]


def test_what_counts_as_missing(tmp_path: Path) -> None:
    """Blank cells and nan among numbers; text is as it is written, but for blank cells."""
    rows = table(tmp_path, "a,b,c\n1.50,nan,\nnan,NaN,\n , x ,\n")
    assert np.array_equal(rows.matrix(["a"]), [[1.5], [np.nan], [np.nan]], equal_nan=True)
    assert rows.text("a") == ("1.50", "nan", " ")
    assert rows.text("b") == ("nan", "NaN", " x ")
    assert np.isnan(rows.matrix(["c"])).all()


@pytest.mark.parametrize("cell", ["one", "1_000", "NA", "0x10"])
def test_cells_must_be_numbers(cell: str, tmp_path: Path) -> None:
    """A cell that is no number makes the column one of strings; asked for numbers, it is named."""
    rows = table(tmp_path, f"a\n1\n{cell}\n")
    assert rows.text("a") == ("1", cell)
    with pytest.raises(SourceError, match=rf"row 2, column 'a': '{cell}' is not a finite number; leave"):
        rows.matrix(["a"])


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_infinities_are_refused(cell: str, tmp_path: Path) -> None:
    """A column of numbers with an infinity is neither numbers nor strings."""
    rows = table(tmp_path, f"a,b\n1,2\n{cell},3\n")
    assert rows.matrix(["b"]).tolist() == [[2.0], [3.0]]
    for ask in (rows.is_text, rows.text, lambda name: rows.matrix([name])):
        with pytest.raises(SourceError, match=rf"column 'a' is one of numbers, but row 2 \({cell}\) is not"):
            ask("a")


def test_unknown_column(tmp_path: Path) -> None:
    """An unknown column is refused with those that there are."""
    rows = table(tmp_path, "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"has no column 'c'; its header names a, b$"):
        rows.matrix(["c"])
    with pytest.raises(SourceError, match=r"has no columns 'c', 'd'; the model was fitted on c, a, d$"):
        rows.demand(["c", "a", "d"], "the model was fitted on c, a, d")
    assert listing(map(str, range(20))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no rows"),
        ("a\n", "has no rows"),
        ("a,b\n1\n", "row 1 has 1 cells, the header names 2"),
        ("a,b,a\n1,2,3\n", "has two columns named 'a'; rename or remove one"),
        (",b\n1,2\n", r"column 1 has no name; a pandas index is left out with to_csv\(index=False\)"),
    ],
)
def test_tables_without_shape(text: str, reason: str, tmp_path: Path) -> None:
    """A file without rows, with rows of different lengths, or without names is refused."""
    with pytest.raises(SourceError, match=reason):
        table(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a file in another encoding and a damaged one are refused with the reason."""
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(SourceError, match="cannot be read: Is a directory"):
        read(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(SourceError, match="is not CSV in UTF-8"):
        read(tmp_path / "latin.csv")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SourceError, match="is not a Parquet file that can be read: ") as caught:
        read(tmp_path / "rows.parquet")
    assert "\n" not in str(caught.value)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many cells and too many bytes are refused before they fill the memory."""
    typed(tmp_path, a=[1.0, 2.0], b=[1.0, 2.0])
    monkeypatch.setattr(tables, "MAX_CELLS", 3)
    with pytest.raises(SourceError, match=r"rows\.csv has more than 3 cells \(2 columns\); take a sample"):
        table(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(SourceError, match=r"rows\.parquet has more than 3 cells"):
        read(tmp_path / "rows.parquet")
    monkeypatch.setattr(tables, "MAX_DATA_BYTES", 3)
    with pytest.raises(SourceError, match=r"has 12 bytes; at most 3 are read: take a sample"):
        read(tmp_path / "rows.csv")


def test_parquet_types(tmp_path: Path) -> None:
    """Booleans, integers and floats are numbers, words and dictionaries of words strings; null is missing."""
    rows = typed(
        tmp_path,
        flag=pa.array([True, None, False]),
        small=pa.array([1, 2, None], pa.uint8()),
        large=pa.array([2**53, -(2**53), 0], pa.int64()),
        single=pa.array([0.1, None, 2.0], pa.float32()),
        half=pa.array(np.array([0.5, 1, 2], np.float16)),
        empty=pa.nulls(3),
        word=pa.array(["x", None, "y z"]),
        kind=pa.array(["u", "v", None]).dictionary_encode(),
        code=pa.array([7, 8, 7]).dictionary_encode(),
    )
    nan = np.nan
    for name, expected in {
        "flag": [1, nan, 0],
        "small": [1, 2, nan],
        "large": [2**53, -(2**53), 0],
        "single": [float(np.float32(0.1)), nan, 2],
        "half": [0.5, 1, 2],
        "empty": [nan, nan, nan],
        "code": [7, 8, 7],
    }.items():
        assert np.array_equal(rows.matrix([name])[:, 0], np.array(expected, float), equal_nan=True), name
    assert rows.text("word") == ("x", "", "y z")
    assert rows.text("kind") == ("u", "v", "")
    assert rows.text("large") == ("9007199254740992", "-9007199254740992", "0")
    assert rows.text("single") == (repr(float(np.float32(0.1))), "", "2")


def test_parquet_columns_of_other_types(tmp_path: Path) -> None:
    """What is neither number nor string is refused, with its type, when it is asked for and not before."""
    rows = typed(
        tmp_path,
        a=[1.0],
        when=pa.array([date(2020, 1, 1)]),
        many=pa.array([[1, 2]]),
        id=pa.array([2**53 + 1], pa.int64()),
        far=pa.array([math.inf]),
    )
    assert rows.matrix(["a"]).tolist() == [[1.0]]
    for name, reason in {
        "when": r"column 'when' is of type date32\[day\]; expected numbers, booleans or strings",
        "many": r"column 'many' is of type list<",
        "id": r"column 'id' \(int64\) holds an integer beyond 2\^53",
        "far": r"column 'far' is one of numbers, but row 1 \(inf\) is not a finite number",
    }.items():
        with pytest.raises(SourceError, match=reason):
            rows.matrix([name])


def test_the_index_of_pandas_is_no_column(tmp_path: Path) -> None:
    """What pandas stores to find its rows again is left out."""
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])}, index=[3, 9])
    frame.to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet")
    assert rows.header == ("a", "b")
    assert rows.text("b") == ("x", "y")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is the command that installs it."""
    typed(tmp_path, a=[1.0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        SourceError, match=r"needs pyarrow; run: pip install 'ml-production-service\[convert\]'"
    ):
        read(tmp_path / "rows.parquet")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, FLOATS, st.none() | FLOATS), min_size=1, max_size=5))
def test_csv_round_trip(tmp_path: Path, rows: list[tuple[str, float, float | None]]) -> None:
    """What Python's csv module writes is read back, every bit of it."""
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("word", "number", "hole"), *(("w" + word, a, b) for word, a, b in rows)])
    found = read(path)
    assert found.text("word") == tuple("w" + word for word, _, _ in rows)
    expected = [[a, np.nan if b is None else b] for _, a, b in rows]
    assert found.matrix(["number", "hole"]).tobytes() == np.array(expected).tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, FLOATS, st.integers(-(2**53), 2**53)), min_size=1, max_size=5))
def test_parquet_round_trip(tmp_path: Path, rows: list[tuple[str, float, int]]) -> None:
    """What pyarrow writes is read back, every bit of it; blank strings are missing ones."""
    words, floats, integers = zip(*rows, strict=True)
    found = typed(tmp_path, word=list(words), number=list(floats), count=pa.array(integers, pa.int64()))
    assert found.text("word") == tuple(word if word.strip() else "" for word in words)
    assert found.matrix(["number"]).tobytes() == np.array(floats).tobytes()
    assert found.matrix(["count"])[:, 0].tolist() == list(integers)


def test_booleans_are_numbers(tmp_path: Path) -> None:
    """As pandas and every trainer read them; as answers they keep their words."""
    (tmp_path / "t.csv").write_text("flag,x\nTrue,1\nFalse,2\n,3\n")
    table = read(tmp_path / "t.csv")
    assert table.matrix(["flag"])[:2].ravel().tolist() == [1.0, 0.0]
    assert np.isnan(table.matrix(["flag"])[2, 0])
    assert table.text("flag") == ("True", "False", "")
