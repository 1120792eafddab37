"""The comparison, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.compare import ratios, wrong
from bench.goals import MANY, ONE
from bench.targets.shelf import Shelf
from tests.bench.timed import timed

pytestmark = pytest.mark.usefixtures("untraced")
QUICK = ["--rounds", "2", "--seconds", "0.2", "--warm-up", "0.05"]


@pytest.fixture(autouse=True)
def ready_made(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """One forest is enough for all tests."""
    monkeypatch.setattr("bench.compare.stocked", lambda _: shelf)


def test_everybody_is_measured_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures, ratios with their goals, and who could not take part."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no Node, and nothing that was downloaded earlier
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["compare", "--only", "ours,bare rsgi,constant wsgi,fastify", "--out", str(tmp_path / "results")]
    assert main([*words, *QUICK]) == 0
    report = json.loads((tmp_path / "results" / "compare.json").read_bytes())
    assert report["faults"] == []
    assert report["left_out"] == {"fastify": "npm is not installed"}
    measured = {(row["target"], row["setting"]) for row in report["figures"]}
    assert len(measured) == 7  # three with 16 connections, and two each alone and in batches
    assert ("constant wsgi", "1 connection") not in measured
    goals = {(found["other"], found["measure"]): found["goal"] for found in report["ratios"] if found["goal"]}
    assert goals == {
        ("bare rsgi", "throughput"): "at least 1.3",
        ("constant wsgi", "throughput"): "at least 0.5",
        ("bare rsgi", "p50"): "at most 0.8",
    }
    assert all(found["ratio"]["median"] > 0 for found in report["ratios"])
    text = (tmp_path / "results" / "compare.md").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert "- left out: fastify: npm is not installed\n" in text
    assert f"`{report['command']}`" in text
    assert "uvloop" in text
    assert "constant wsgi" in (tmp_path / "results" / "compare.svg").read_text("utf-8")


def test_settings_reach_our_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that it does not have ends it, in the server's own words."""
    words = ["compare", "--only", "ours", "--set", "nonsense=1", "--out", str(tmp_path)]
    assert main([*words, *QUICK]) == 1
    assert "unknown setting 'MPS_NONSENSE'" in capsys.readouterr().err


def test_an_unknown_target_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    assert main(["compare", "--only", "django"]) == 1
    assert capsys.readouterr().err.startswith("mps bench compare: no target 'django'; there are: ours,")


def test_what_was_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    """Which target, under which load."""
    assert wrong({MANY: {"a": [timed(1, failures=1)]}, ONE: {"a": [timed(1)]}}) == [
        f"a, {MANY}: status 500: {{}}"
    ]


def test_without_ours_there_are_no_ratios() -> None:
    """Nor is anybody compared with himself."""
    assert ratios({MANY: {"a": [timed(1)], "b": [timed(1)]}}) == []
    [found] = ratios({MANY: {"ours": [timed(1)], "b": [timed(1)]}})
    assert found.other == "b"
