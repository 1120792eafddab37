"""How fast batches are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.errors import BenchError
from bench.parsing import DECIMALS, SHAPES, _measured
from server.matrix import MatrixReader


def test_both_ways_are_timed_and_written(tmp_path: Path) -> None:
    """Every shape, as numbers and as a table; reading straight into arrays pays for all of them."""
    assert main(["parse", "--rounds", "5", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "parse.json").read_bytes())["parsed"]
    assert len(found) == len(SHAPES) * len(DECIMALS)
    assert all(one["ratio"]["median"] > 1 for one in found)
    assert "10,000 x 4" in (tmp_path / "parse.md").read_text("utf-8")


def test_a_reader_that_reads_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast it is."""
    monkeypatch.setattr(MatrixReader, "read", lambda *_: None)
    with pytest.raises(BenchError, match="10 x 4: the reader reads something else"):
        _measured(10, 4, 1, 1)
