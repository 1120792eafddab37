"""``mps research measure`` writes the report beside the figures, the same from the same figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from research.__main__ import main
from research.production import command
from research.production.command import MEASURED, write
from research.production.measured import Measured
from research.production.measuring import read
from tests.research.production.conftest import HOME


def test_the_kept_report_is_that_of_the_kept_figures(tmp_path: Path) -> None:
    """Page and plot, byte for byte."""
    for name in (MEASURED, *(file.relative_to(HOME) for file in HOME.glob("reports/*/results.json"))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, tmp_path / name)
    write(tmp_path)
    for file in ("report.md", "pareto.svg"):
        written = tmp_path / "reports" / "production" / file
        assert written.read_bytes() == (HOME / "reports" / "production" / file).read_bytes()


def test_command(
    kept: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says whether anything was measured; without the study of iris it says what to run."""
    assert main(["measure", "--out", str(tmp_path)]) == 1
    assert "run: mps research study iris" in capsys.readouterr().err
    for name in (MEASURED, Path("reports") / "iris" / "results.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, tmp_path / name)
    asked: list[bool] = []

    def measured(home: Path, file: Path, again: bool) -> tuple[Measured, bool]:
        asked.append(again)
        return read(file), again

    monkeypatch.setattr(command, "measured_now", measured)  # the whole of it takes a minute
    assert main(["measure", "--out", str(tmp_path)]) == 0
    assert "nothing was measured again" in capsys.readouterr().out
    assert main(["measure", "--again", "--out", str(tmp_path)]) == 0
    assert "measured now" in capsys.readouterr().out
    assert asked == [False, True]
