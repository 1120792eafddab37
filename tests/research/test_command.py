"""``mps research`` writes the same files every time, and keeps the journal honest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from research.__main__ import HOME, JOURNAL, main
from research.experiments import EXPERIMENTS
from research.markdown import markers
from research.report import BEGIN, BLOCKS, END, read_cards, refresh, table
from research.study import specification
from research.study.command import read_results
from research.study.page import page


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


@pytest.mark.parametrize("name", BLOCKS)
def test_journal_is_up_to_date(name: str) -> None:
    """Every block of the journal is the one that the kept results give."""
    begin, end = markers(name)
    _, found, rest = (HOME / JOURNAL).read_text(encoding="utf-8").partition(begin)
    assert found
    assert rest.partition(end)[0].strip() == BLOCKS[name](HOME)


@pytest.mark.parametrize("name", specification.names())
def test_reports_are_up_to_date(name: str) -> None:
    """Every shipped study was run, and its page is the one that its figures give."""
    home = HOME / "reports" / name
    results = read_results(home)
    plots = ["scores", "calibration", "confusion"] if results.classes else ["scores"]
    assert (home / "report.md").read_text("utf-8") == page(results, plots)
    assert {path.stem for path in home.glob("*.svg")} == set(plots)


def test_refresh_writes_what_is_kept(tmp_path: Path) -> None:
    """Pages and plots of a study and of the claims, byte for byte."""
    for name in ("iris/results.json", "claims/evidence.json"):
        (tmp_path / "reports" / name).parent.mkdir(parents=True)
        (tmp_path / "reports" / name).write_bytes((HOME / "reports" / name).read_bytes())
    refresh(tmp_path)
    written = files(tmp_path)
    assert len(written) == 9
    assert [name for name, content in written.items() if (HOME / name).read_bytes() != content] == []


def test_links_of_the_journal_lead_somewhere() -> None:
    """Reports, plots, the notebook and the study files are there."""
    links = re.findall(r"\]\(([^)]+)\)", (HOME / JOURNAL).read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (HOME / link).exists()] == []


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

    page = tmp_path / JOURNAL
    assert f"{JOURNAL} cannot be read" in told()
    page.write_text("no markers")
    assert "heuristic.json cannot be read: No such file or directory; run: mps research train\n" in told()
    (tmp_path / "results").mkdir()
    for path in (HOME / "results").iterdir():
        (tmp_path / "results" / path.name).write_bytes(path.read_bytes())
    assert "has no place for the figures" in told()
    page.write_text(BEGIN)
    assert "has no place for the figures" in told()
    page.write_text(f"{BEGIN}\n{END}\n" + "\n".join(markers("claims")))
    assert "run: mps research study iris" in told()
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
