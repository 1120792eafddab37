"""Switching under load: a short real run, and every kind of fault planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from matplotlib.figure import Figure

from bench import switching
from bench.__main__ import main
from bench.errors import BenchError
from bench.load.spec import Answer
from bench.plot import save
from bench.promises import ANSWERED, BODY, FLOOR, NAMED, PROMISES, RELOADED, STATUS
from bench.steadiness import Watched, overlaps
from bench.switcher import Reload
from bench.switching import MODELS, distinct_answers
from bench.timeline import timeline
from tests.bench.timed import timed

pytestmark = pytest.mark.usefixtures("untraced")
BODIES = {model: f"what {model} says" for model in MODELS}
RELOADS = (Reload("heuristic", 2, -2.0, -1.9), Reload("xgboost", 3, 10.0, 10.1))
LARGEST_BYTES = 300_000
"""Of a picture."""


def answer(due_s: float, generation: int, model: str, latency_ms: float = 1.0, **other: Any) -> Answer:
    """A right one, but for what is said."""
    right: dict[str, Any] = {"fresh": False, "status": 200, "body": BODIES.get(model, "")} | other
    return Answer(due_s, due_s, due_s + latency_ms / 1000, generation=str(generation), model=model, **right)


RIGHT = (
    answer(5.0, 2, "heuristic"),
    answer(10.05, 2, "heuristic"),  # before the acknowledgement both may answer
    answer(10.06, 3, "xgboost"),
    answer(10.1, 2, "heuristic"),  # started at its very moment, not after it
    answer(11.0, 3, "xgboost", fresh=True),
)


def watched(
    *more: Answer, reloads: tuple[Reload, ...] = RELOADS, refused: tuple[str, ...] = (), **other: Any
) -> Watched:
    """Twenty seconds from 0 on, in which all went well but for what is said."""
    answers = sorted((*RIGHT, *more), key=lambda one: one.came_s)
    timings = msgspec.structs.replace(timed(1.0), seconds=20.0, answers=answers, **other)
    return Watched(timings, reloads, refused)


def report(seen: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, Any]]:
    """Exit code and ``switch.json`` of the command, had it seen this."""
    monkeypatch.setattr(switching, "watch_switching", lambda *_: seen)
    monkeypatch.setattr(switching, "distinct_answers", lambda: BODIES)
    monkeypatch.setattr(switching, "timeline", lambda *_: Figure())  # drawing takes longer than all the rest
    code = main(["switch", "--large-mb", "0", "--out", str(folder)])
    found: dict[str, Any] = json.loads((folder / "switch.json").read_bytes())
    return code, found


def broken(found: dict[str, Any]) -> dict[str, int]:
    """Promise to how often it was."""
    promises = found["phases"][0]["promises"]
    assert [one["promise"] for one in promises] == list(PROMISES)
    return {one["promise"]: one["broken"] for one in promises if one["broken"]}


def test_a_short_run_keeps_every_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both kinds of connection, several switches, a large model: the report says that nothing went wrong."""
    words = ["--seconds", "2", "--warm-up", "0.3", "--rate", "100", "--connections", "12", "--every", "20"]
    words += ["--large-mb", "4"]
    assert main(["switch", *words, "--budget-ms", "1000", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "switch.json").read_bytes())
    assert (found["workers"], found["connections"], found["fresh_connections"]) == (3, 12, 4)
    assert found["machine"]["packages"]["granian"]
    phase, large = found["phases"]
    assert broken(found) == {}
    assert {one["broken"] for one in large["promises"]} == {0}
    assert large["reload"]["count"] > 0
    assert phase["all"]["count"] == 200
    assert phase["during"]["count"] + (phase["between"] or {"count": 0})["count"] == 200
    assert 0 < phase["fresh"] < 200
    assert phase["reload"]["count"] > 1
    assert phase["generations"] > 1
    text = (tmp_path / "switch.md").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert "after the last: faults: 0: kept\n" in text
    assert "a 4 MB forest loaded and dropped: faults: 0: kept\n" in text
    assert "ms, budget 1000 ms: kept\n" in text
    assert f"`{found['command']}`" in text
    picture = (tmp_path / "switch.svg").read_text("utf-8")
    for shown in (*MODELS, "switch acknowledged", "budget of the p99", "latency, ms (log scale)"):
        assert f">{shown}</text>" in picture
    assert len(picture) < LARGEST_BYTES


@pytest.mark.parametrize(
    ("seen", "promise", "fault"),
    [
        (watched(answer(6, 2, "heuristic", status=500, body="Oops")), STATUS, "status 500: Oops"),
        (watched(answer(6, 2, "heuristic", status=503, body="")), STATUS, "status 503: "),
        (watched(failures=1, faults=["receiving failed: x"]), ANSWERED, "receiving failed: x"),
        (watched(unsent=1), ANSWERED, "a request was never sent"),
        (watched(answer(6, 2, "heuristic", body=BODIES["xgboost"])), BODY, "heuristic answers what"),
        (watched(answer(-1.5, 2, "heuristic", body="{}")), BODY, "heuristic answers what"),  # warming up
        (watched(answer(6, 2, "xgboost")), NAMED, "generation 2 is heuristic, xgboost answered"),
        (watched(answer(12, 9, "xgboost")), NAMED, "generation 9 is of no reload, xgboost answered"),
        (watched(answer(6, 2, "")), NAMED, "the header X-Model-Name is missing"),
        (
            watched(answer(10.2, 2, "heuristic")),
            FLOOR,
            "generation 2 answered a request that started after 3 was acknowledged",
        ),
        (watched(refused=("reload to a: status 409: {}",)), RELOADED, "reload to a: status 409: {}"),
        (
            watched(reloads=(*RELOADS[:1], Reload("xgboost", 3, 20.0, 20.1))),
            RELOADED,
            "no reload was acknowledged in the measured time",
        ),
    ],
)
def test_each_kind_of_fault_is_found(
    seen: Watched,
    promise: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Planted once among right answers: it is counted, named, and ends with 1."""
    code, found = report(seen, tmp_path, monkeypatch)
    assert (code, broken(found)) == (1, {promise: 1})
    said = capsys.readouterr()
    assert f"a switch 50 ms after the last: {fault}" in said.err
    assert said.err.count("\n") == 1
    assert f"- WRONG: {said.err}" in said.out
    assert "faults: 1: broken" in said.out


def test_what_is_right_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both generations answer while a switch is under way, and requests are told apart by that."""
    code, found = report(watched(), tmp_path, monkeypatch)
    phase = found["phases"][0]
    assert (code, broken(found)) == (0, {})
    assert [phase[kind]["count"] for kind in ("all", "during", "between", "reload")] == [5, 2, 3, 1]
    assert (phase["generations"], phase["fresh"], phase["reloads_per_s"]) == (2, 1, 0.05)


def test_many_faults_are_counted_and_a_few_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may break several promises."""
    wrong = [answer(12 + number, 2, "heuristic", body="{}") for number in range(7)]
    code, found = report(watched(*wrong), tmp_path, monkeypatch)
    assert (code, broken(found)) == (1, {BODY: 7, FLOOR: 7})
    assert f"2 more against: {FLOOR}\n" in (tmp_path / "switch.md").read_text("utf-8")


def test_an_answer_that_is_late_breaks_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing else is wrong."""
    late = answer(6, 2, "heuristic", latency_ms=10.1)
    code, found = report(watched(late), tmp_path, monkeypatch)
    assert (code, broken(found)) == (1, {})
    text = (tmp_path / "switch.md").read_text("utf-8")
    assert "faults: 0: kept\n" in text
    assert "p99 of all requests: 10.10 ms, budget 10 ms: broken\n" in text


def test_models_that_answer_alike_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that all know is refused before anything is started."""
    sure = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    monkeypatch.setattr(switching, "ROW", sure)
    with pytest.raises(BenchError, match="have the same answer"):
        distinct_answers()


@pytest.mark.parametrize(
    ("due_s", "came_s", "touches"),
    [(9.8, 9.9, False), (9.8, 10.05, True), (10.05, 10.06, True), (9.0, 11.0, True), (10.1, 10.2, False)],
)
def test_which_requests_met_a_reload(due_s: float, came_s: float, touches: bool) -> None:
    """Those that waited at a time when one was under way."""
    assert overlaps(answer(due_s, 2, "heuristic", (came_s - due_s) * 1000), RELOADS) is touches


def test_a_picture_of_thousands_is_small_and_the_same_again(tmp_path: Path) -> None:
    """The dots are a bitmap; a model that nobody knows has a colour too."""
    reloads = tuple(Reload("xgboost", 4 + n, 12 + n / 20, 12.02 + n / 20) for n in range(160))
    dots = [
        answer(12 + n / 500, 3, (*MODELS, "nope")[n // 25 % 5], 0.3 + n * 7919 % 1000 / 100)
        for n in range(4000)
    ]
    seen = watched(*dots, reloads=reloads)
    for name in ("first.svg", "again.svg"):
        save(timeline(seen, MODELS, 10.0, 8.0), tmp_path / name)
    first = (tmp_path / "first.svg").read_bytes()
    assert first == (tmp_path / "again.svg").read_bytes()
    assert len(first) < LARGEST_BYTES
    assert b">another</text>" in first
    assert b">every request of the last 8 s</text>" in first
