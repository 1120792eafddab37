"""How the model is made ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BadDocument, LoadFailed
from bench.targets import flowers, shelf
from bench.targets.flowers import read_flowers
from bench.targets.shelf import Shelf, stocked


def test_everything_is_there(shelf: Shelf) -> None:
    """For targets that read the registry, the ONNX file, or the pickle."""
    for file in (shelf.entry / "model.onnx", shelf.entry / "manifest.json", shelf.pickle):
        assert file.stat().st_size > 0


def test_a_step_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last line that it said."""
    monkeypatch.setattr(shelf, "FORESTER", "bench.targets.nowhere")
    with pytest.raises(LoadFailed, match=r"the model could not be made: .*No module named"):
        stocked(tmp_path)


def test_a_step_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time and no more."""
    monkeypatch.setattr(shelf, "PREPARE_S", 0.01)
    with pytest.raises(LoadFailed, match=r"the model was not made within 0\.01 s"):
        stocked(tmp_path)


def test_the_data_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has none, and says so."""
    assert len(read_flowers().rows) == 150
    monkeypatch.setattr(flowers, "DATA", tmp_path / "iris.csv")
    with pytest.raises(BadDocument, match=r"iris\.csv: No such file or directory; this is measured in a"):
        read_flowers()
