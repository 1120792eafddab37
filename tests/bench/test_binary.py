"""``mps bench v2``: both ways are asked and compared, and a wrong answer is no figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import binary
from bench.__main__ import main


def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report has both ways, how they compare, and the command."""
    assert main(["v2", "--rounds", "2", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "v2.json").read_bytes())
    asked = [(each["asked"], each["way"]) for each in found["taken"]]
    assert asked == [(outputs, way) for outputs in binary.OUTPUTS for way in ("bytes", "JSON")]
    assert all(each["whole_ms"]["low"] > each["server_ms"]["low"] for each in found["taken"])
    assert [gain["asked"] for gain in found["gains"]] == list(binary.OUTPUTS)
    text = (tmp_path / "v2.md").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert f"`{found['command']}`" in text
    assert "goal: at least 8" in text


def test_different_answers_are_no_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Were the numbers read otherwise in one of the ways, the times would say nothing."""
    honest = binary.WAYS["JSON"]

    def other(rows: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[bytes, dict[str, str]]:
        return honest.asks(rows[::-1], outputs)

    monkeypatch.setitem(binary.WAYS, "JSON", honest._replace(asks=other))
    assert main(["v2", "--rounds", "1", "--out", str(tmp_path)]) == 1
    assert not (tmp_path / "v2.json").exists()
