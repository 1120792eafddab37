"""The open loop, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.load.spec import Load, Timings
from bench.openloop import ALONE, BESIDE, BIG_ALONE, BIG_BESIDE, MAXIMUM
from bench.patience import line
from bench.spread import Spread
from bench.targets.shelf import Shelf
from tests.bench.timed import timed

pytestmark = pytest.mark.usefixtures("untraced")
QUICK = ["--rounds", "1", "--seconds", "0.5", "--warm-up", "0.1"]


@pytest.fixture(autouse=True)
def ready_made(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """One forest is enough for all tests."""
    monkeypatch.setattr("bench.openloop.stocked", lambda _: shelf)


def test_every_scene_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Single rows alone and beside batches, batches alone and beside, and three shares of the maximum."""
    assert main(["open-loop", "--rate", "40", *QUICK, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "open-loop.json").read_bytes())
    assert report["faults"] == []
    lines = {one["what"]: one for one in report["lines"]}
    closed = [what for what, one in lines.items() if one["offered_rps"] is None]
    assert closed == [BIG_ALONE, BIG_BESIDE, MAXIMUM]
    assert lines[ALONE]["offered_rps"]["median"] == lines[BESIDE]["offered_rps"]["median"] == 40
    highest = lines[MAXIMUM]["answered_rps"]["median"]
    shares = [what for what in lines if what.endswith("x the maximum")]
    offered = [lines[what]["offered_rps"]["median"] for what in shares]
    assert offered == pytest.approx([max(share * highest, 1) for share in (0.5, 1, 3)])
    text = (tmp_path / "open-loop.md").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert "coordinated omission" in text
    assert ALONE in (tmp_path / "open-loop.svg").read_text("utf-8")


def test_a_wrong_answer_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is told; a refusal of what was offered is none."""

    def driven(load: Load, _: object) -> Timings:
        return timed(10, failures=load.connections == 1, refused=3 if load.rate_rps else 0)

    monkeypatch.setattr("bench.openloop.drive", driven)
    monkeypatch.setattr("bench.openloop.drive_together", lambda loads, _: [timed(10), timed(10)])
    assert main(["open-loop", *QUICK, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{BIG_ALONE}: status 500: {{}}\n"
    assert f"- WRONG: {BIG_ALONE}: status 500: {{}}\n" in (tmp_path / "open-loop.md").read_text("utf-8")


def test_refusals_have_a_share_and_times_of_their_own() -> None:
    """A round in which nothing was accepted has no latency of accepted answers, and hides none."""
    found = line("a", [30.0, 30.0], [timed(10, refused=30), timed(0, refused=5)])
    assert found.refused_share == Spread(0.875, 0.75, 1.0)
    assert found.accepted.p99_ms == Spread(2.0, 2.0, 2.0)
    assert found.refused.p99_ms == Spread(1.0, 1.0, 1.0)
    assert found.cells[0:3] == ("a", "30.0 (30.0 to 30.0)", "5.0 (0.0 to 10.0)")
    assert line("b", [], [timed(1)]).cells[1] == "-"
