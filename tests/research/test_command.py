"""``mps research`` writes the same files every time, and keeps the journal honest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from research.__main__ import HOME, JOURNAL, main
from research.experiments import EXPERIMENTS
from research.report import BEGIN, END, read_cards, table


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_writes_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Models (pickles too), results and data are the same bytes in another process with another hash seed."""
    assert main(["train", "--out", str(tmp_path / "here")]) == 0
    told = capsys.readouterr()
    subprocess.run(
        [sys.executable, "-m", "research", "train", "--out", str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    here, there = files(tmp_path / "here"), files(tmp_path / "there")
    assert sorted(here) == sorted(there)
    assert len(here) == 2 * len(EXPERIMENTS) + 1
    assert [name for name in here if here[name] != there[name]] == []
    assert "| heuristic | 144/150 (96.0%) |" in told.out
    assert "xgboost: 10 folds" in told.err


def test_results_in_the_repository_are_fresh(tmp_path: Path) -> None:
    """The kept figures of the rules, and the data, are those that training gives."""
    assert main(["train", "heuristic", "--out", str(tmp_path)]) == 0
    for name, content in files(tmp_path).items():
        assert (HOME / name).read_bytes() == content, name


def test_journal_is_up_to_date() -> None:
    """The table in the journal is the one that the kept results give."""
    text = (HOME / JOURNAL).read_text(encoding="utf-8")
    inside = text.partition(BEGIN)[2].partition(END)[0]
    assert inside.strip() == table(read_cards(HOME))


def test_report_rewrites_the_table_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stale table is replaced; the text around it stays, and a second run changes nothing."""
    (tmp_path / "results").mkdir()
    for path in (HOME / "results").iterdir():
        (tmp_path / "results" / path.name).write_bytes(path.read_bytes())
    page = tmp_path / JOURNAL
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    for _ in range(2):
        assert main(["report", "--out", str(tmp_path)]) == 0
        assert page.read_text() == f"before\n{BEGIN}\n{table(read_cards(HOME))}\n{END}\nafter\n"
    assert str(page) in capsys.readouterr().out


def test_report_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing or broken results, no page, no markers: each is told in one line that says what to do."""

    def told() -> str:
        assert main(["report", "--out", str(tmp_path)]) == 1
        return capsys.readouterr().err

    assert "heuristic.json cannot be read: No such file or directory; run: mps research train\n" in told()
    (tmp_path / "results").mkdir()
    for path in (HOME / "results").iterdir():
        (tmp_path / "results" / path.name).write_bytes(path.read_bytes())
    assert f"{JOURNAL} cannot be read" in told()
    (tmp_path / JOURNAL).write_text("no markers")
    assert "has no place for the figures" in told()
    (tmp_path / "results" / "xgboost.json").write_text("{}")
    assert "xgboost.json is not a card" in told()


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Every experiment is listed with its description."""
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)


@pytest.mark.parametrize("arguments", [[], ["train", "oracle"], ["bake"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does not exist ends with 2; an unknown experiment is told with those that there are."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    if "oracle" in arguments:
        assert "there are: heuristic, decision_tree, random_forest, xgboost" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training into a place that is no folder ends with 1 and one line."""
    (tmp_path / "file").touch()
    assert main(["train", "heuristic", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("mps research: cannot write ")
