"""Times of the parts of a request."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import stages
from bench.errors import BenchError
from bench.spread import Spread
from bench.stage import PREDICT, STAGES, RecordedRow, Recording, calls, sample_rows
from bench.stages import Stages, serving_of
from bench.stages_plot import draw_stages
from bench.stopwatch import loops_for, timed_us
from registry.store import Entry, Store
from server.answering import style
from server.generation import Serving
from server.prediction import Answered
from server.settings import SHIPPED_REGISTRY

ROOT = Path(SHIPPED_REGISTRY)


def run(*words: str) -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser()
    stages.add(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["stages", *words])
    code: int = arguments.run(arguments, "mps bench stages")
    return code


@pytest.fixture(scope="module")
def entry() -> Entry:
    """A shipped model."""
    store = Store(ROOT)
    return store.read("heuristic", store.current("heuristic"))


@pytest.fixture(scope="module")
def serving(entry: Entry) -> Serving:
    """As a worker serves it."""
    return serving_of(ROOT, [entry.manifest.reference])


def test_every_stage_is_timed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For each model and number of rows; the page says what the file says."""
    words = ["--models", "heuristic,xgboost", "--rows", "1,16,1", "--repeat", "2"]
    assert run(*words, "--out", str(tmp_path)) == 0
    written = json.loads((tmp_path / "stages.json").read_bytes())
    found = [(measured["model"], measured["rows"]) for measured in written["measured"]]
    assert found == [("heuristic", 1), ("heuristic", 16), ("xgboost", 1), ("xgboost", 16)]
    for measured in written["measured"]:
        expected = [name for name in STAGES if name != "array" or measured["rows"] > 1]
        assert list(measured["stages_us"]) == expected
        for spread in (*measured["stages_us"].values(), measured["predict_us"]):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    page = (tmp_path / "stages.md").read_text("utf-8")
    assert "| xgboost   |   16 |" in page
    assert capsys.readouterr().out == page
    assert (tmp_path / "stages.svg").read_text("utf-8").count("16 rows") == 1


def test_the_parts_answer_what_the_server_answers(serving: Serving, entry: Entry) -> None:
    """Their last gives the very bytes of the whole, for one row and for slices of many."""
    rows = 3 * serving.generation.champion.model.cost.slice_rows
    for count in (1, 2, rows):
        found = calls(serving, entry, count)
        answered = found[PREDICT]()
        assert isinstance(answered, Answered)
        assert found["encode"]() == found["encode"]() == answered.reply.body


def test_parts_that_answer_otherwise_are_refused(
    serving: Serving, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of something else than what is served are none."""
    right = int(calls(serving, entry, 1)["run"]())  # type: ignore[call-overload]
    monkeypatch.setattr(RecordedRow, "first", lambda *_: (right + 1) % 3)
    with pytest.raises(BenchError, match=r"the parts answer b'\{.*, the server's function b'"):
        calls(serving, entry, 1)


def test_rows_differ_and_are_answered(serving: Serving, entry: Entry) -> None:
    """As real data does; a model without a row that is answered is refused."""
    schema = serving.generation.champion.model.schema
    rows = sample_rows(schema, entry, 400)
    data = entry.golden.kinds.count("data")
    assert len(rows) == 400
    assert 1 < len(set(rows)) <= data
    assert rows[0] == rows[len(set(rows))] or len(set(rows)) < data  # over and over

    outside = tuple((None,) * len(row) for row in entry.golden.inputs)
    golden = msgspec.structs.replace(entry.golden, inputs=outside)
    with_none = msgspec.structs.replace(entry, golden=golden)
    with pytest.raises(BenchError, match="none of its golden rows is answered"):
        sample_rows(schema, with_none, 1)


def test_a_recording_starts_again(entry: Entry) -> None:
    """Each answer gets the same arrays, slice after slice."""
    first, second = np.array([0, 1]), np.array([2])
    recorded = style(Recording(first, second), entry.manifest.signature)
    classes = list(entry.manifest.signature.classes)
    for _ in range(2):
        assert json.loads(recorded.answer_batch([[], []], False)) == {"predictions": classes}


def test_a_sample_is_long_enough() -> None:
    """Short calls are looped until the clock no longer matters, long ones are not."""
    asked: list[None] = []
    assert loops_for(lambda: asked.append(None), sample_ns=100_000) > 1
    assert len(asked) > 1
    assert loops_for(lambda: None, sample_ns=0) == 1


def test_calls_take_turns() -> None:
    """After the warm-up: no call is timed twice in a row."""
    order: list[str] = []

    def call(name: str) -> Callable[[], object]:
        def work() -> int:
            order.append(name)
            return sum(range(40_000))

        return work

    timed_us({name: call(name) for name in "ab"}, 3)
    turns = [name for name, _ in groupby(order)]
    assert turns[-6:] == list("ababab")


def test_the_picture_is_the_same_again(tmp_path: Path) -> None:
    """Same figures, same bytes; other figures, others."""
    spread = Spread(1.0, 1.0, 1.0)
    measured = [Stages("a", 1, {"run": spread}, Spread(3.0, 2.0, 4.0))]
    for name in ("first.svg", "again.svg"):
        draw_stages(measured, tmp_path / name)
    draw_stages([Stages("a", 1, {"run": spread}, Spread(9.0, 2.0, 9.0))], tmp_path / "other.svg")
    first, again, other = ((tmp_path / f"{name}.svg").read_bytes() for name in ("first", "again", "other"))
    assert first == again
    assert first != other


def test_the_table_shows_what_is_missing() -> None:
    """A stage that a request does not have is a dash, not a zero."""
    spread = Spread(2.0, 1.0, 3.0)
    measured = Stages("a", 1, {"decode": spread, "run": spread, "encode": spread}, Spread(8.0, 8.0, 8.0))
    shown = "2.0 (1.0 to 3.0)"
    assert measured.cells == ("a", "1", shown, "-", shown, shown, "6.0", "8.0 (8.0 to 8.0)", "8.00")


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    """Before anything is measured."""
    with pytest.raises(BenchError, match="at most 100000 rows"):
        run("--rows", "1,100001", "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
