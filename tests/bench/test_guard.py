"""The guard of the latency budget."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.__main__ import main
from bench.guard import Item, judge, summary
from bench.samples import Samples
from bench.traffic import Traffic

pytestmark = pytest.mark.usefixtures("untraced")
QUICK = ["--seconds", "2", "--rate", "40"]
TRAFFIC = Traffic("JsonPredict", rate_rps=40, seconds=1, model="a")


def report(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "guard.json").read_bytes())
    return read


def outcomes(out: Path) -> dict[str, str]:
    return {verdict["what"]: verdict["outcome"] for verdict in report(out)["verdicts"]}


def test_a_slow_model_breaks_the_build(
    slow_registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model over its manifest's budget fails after exactly three rounds, and the table says so."""
    words = [
        "guard",
        "--registry",
        str(slow_registry),
        "--seconds",
        "2",
        "--rate",
        "6",
        "--out",
        str(tmp_path),
    ]
    assert main(words) == 1
    [verdict] = report(tmp_path)["verdicts"]
    assert (verdict["what"], verdict["outcome"], verdict["budget_ms"]) == ("slow", "broken", 10)
    assert len(verdict["rounds"]) == 3
    assert all(done["p50_ms"] >= 30 and done["failures"] == 0 for done in verdict["rounds"])
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].strip("| ").split("|")]
    assert (row[0], row[-2:]) == ("slow", ["3", "broken"])


def test_normal_models_keep_a_generous_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone, beside batches and while switching; the report says machine, versions and command."""
    words = ["guard", "--models", "heuristic,xgboost", "--budget-ms", "1000", "--together"]
    assert main([*words, *QUICK, "--out", str(tmp_path)]) == 0
    assert outcomes(tmp_path) == {
        "heuristic": "kept",
        "xgboost": "kept",
        "xgboost beside batches": "kept",
        "switching heuristic / xgboost": "kept",
    }
    written = report(tmp_path)
    assert written["command"].startswith("mps bench guard --models heuristic,xgboost --budget-ms 1000")
    assert written["machine"]["packages"]["granian"]
    assert capsys.readouterr().out in (tmp_path / "guard.md").read_text("utf-8")


def test_a_normal_model_breaks_an_absurd_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison works the other way too; one round shows it."""
    monkeypatch.setattr("bench.guard.MAX_ROUNDS", 1)
    words = ["guard", "--models", "heuristic", "--budget-ms", "0.001"]
    assert main([*words, *QUICK, "--out", str(tmp_path)]) == 1
    assert outcomes(tmp_path) == {"heuristic": "broken"}


def test_one_good_round_is_enough() -> None:
    """A round that a neighbour spoiled is repeated; the good one counts."""
    runs = iter([Samples({"predict": [50.0]}), Samples({"predict": [1.0]})])
    verdict = judge(Item("a", 10.0, TRAFFIC), lambda _: next(runs))
    assert (verdict.outcome, [done.p99_ms for done in verdict.rounds]) == ("kept", [50.0, 1.0])


def test_a_budget_that_is_just_met_is_kept() -> None:
    """Equal is not over."""
    assert judge(Item("a", 10.0, TRAFFIC), lambda _: Samples({"predict": [10.0]})).outcome == "kept"


def test_a_failed_request_is_never_forgiven() -> None:
    """No second round for a wrong answer, however fast."""
    runs = iter([Samples({"predict": [1.0]}, failures=1, faults=["predict: status 500"])])
    verdict = judge(Item("a", 10.0, TRAFFIC), lambda _: next(runs))
    assert (verdict.outcome, verdict.rounds[0].faults) == ("failures", ("predict: status 500",))


def test_silence_is_a_failure() -> None:
    """A server that answered nothing has kept no budget."""
    assert summary(Samples()).failures == 1
    assert "no request was answered" in summary(Samples()).faults[-1]


def test_faults_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed request ends with 1, and stderr says what was wrong with it."""
    monkeypatch.setattr(
        "bench.guard.drive", lambda *_: Samples({"predict": [1.0]}, 1, ["predict: status 500"])
    )
    assert main(["guard", "--models", "heuristic", "--out", str(tmp_path)]) == 1
    assert outcomes(tmp_path) == {"heuristic": "failures"}
    assert capsys.readouterr().err == "heuristic: predict: status 500\n"


def test_being_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM in the middle of a round ends server and load generator too."""
    command = [
        sys.executable,
        "-m",
        "bench",
        "guard",
        "--seconds",
        "60",
        "--rate",
        "4",
        "--out",
        str(tmp_path),
    ]
    with subprocess.Popen(command) as process:
        started: list[Any] = []
        deadline = time.monotonic() + 30
        while not any("locust" in child.cmdline() for child in started) and time.monotonic() < deadline:
            time.sleep(0.1)
            started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert len(started) >= 4  # the server, its two workers, the load generator
    gone, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert len(gone) == len(started)
