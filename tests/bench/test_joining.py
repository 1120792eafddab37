"""Joint runs: every row gets its own answer, and the experiment tells whether they pay."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import msgspec
import pytest

from bench import joining
from bench.errors import LoadFailed
from bench.joining import FLOOR, Joining, questions
from bench.spread import Spread
from bench.targets.joined import MAX_JOINED, Batcher, JoinedStyle, join_rows
from bench.targets.shelf import Shelf
from bench.targets.target import Ours
from registry.store import Store
from server.answering import style
from server.model import Model
from server.schema import Row

pytestmark = pytest.mark.usefixtures("untraced")
LONG_S = 20.0
"""Nothing takes it; a test that hangs ends."""


class Doubler:
    """A model that answers twice the number of a row, and refuses negative ones."""

    def __init__(self) -> None:
        """Its first row waits until it may go on, so that others come while it runs."""
        self.began, self.may_go_on = Event(), Event()
        self.sizes: list[int] = []
        self.alone: list[int] = []
        self.batcher = Batcher(self.one, self.many)

    def one(self, row: Row) -> int:
        number = int(row[0] or 0)
        self.alone.append(number)
        if not self.began.is_set():
            self.began.set()
            assert self.may_go_on.wait(LONG_S)
        if number < 0:
            raise ValueError(f"{number} is negative")
        return 2 * number

    def many(self, rows: Sequence[Row]) -> list[int]:
        self.sizes.append(len(rows))
        if any(int(row[0] or 0) < 0 for row in rows):
            raise ValueError("one of them is negative")
        return [2 * int(row[0] or 0) for row in rows]

    def ask(self, first: float, others: Sequence[float]) -> list[Future[int]]:
        """All others come while the first one runs; the answers of all, the first one's first."""
        with ThreadPoolExecutor(1 + len(others)) as threads:
            futures = [threads.submit(self.batcher, (first,))]
            assert self.began.wait(LONG_S)
            futures += [threads.submit(self.batcher, (number,)) for number in others]
            deadline_s = time.monotonic() + LONG_S
            while self.batcher.waiting < len(others) and time.monotonic() < deadline_s:
                time.sleep(0.001)
            self.may_go_on.set()
        return futures


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shelf]:
    """The folder and the shelf with the pipeline, trained and converted."""
    folder = tmp_path_factory.mktemp("joining")
    return folder, joining.stocked(folder)


def test_rows_that_wait_run_together() -> None:
    """At most so many, in the order in which they came; each gets its own answer."""
    model = Doubler()
    numbers = list(range(1, MAX_JOINED + 9))
    futures = model.ask(0, numbers)
    assert [future.result() for future in futures] == [2 * number for number in [0, *numbers]]
    assert model.sizes == [MAX_JOINED, 8]
    assert model.alone == [0]


def test_a_joint_run_that_fails_is_each_rows_own_affair() -> None:
    """The bad row gets its own error; its neighbours get their answers."""
    model = Doubler()
    futures = model.ask(1, [2, -3, 4])
    assert [future.result() for future in (futures[0], futures[1], futures[3])] == [2, 4, 8]
    with pytest.raises(ValueError, match=r"^-3 is negative$"):
        futures[2].result()
    assert model.sizes == [3]
    assert sorted(model.alone) == [-3, 1, 2, 4]


def test_a_first_row_that_fails_leaves_nobody_waiting() -> None:
    """Those that came while it ran are answered all the same."""
    model = Doubler()
    futures = model.ask(-1, [2, 3])
    with pytest.raises(ValueError, match=r"^-1 is negative$"):
        futures[0].result()
    assert [future.result() for future in futures[1:]] == [4, 6]


def test_a_joint_run_with_too_few_answers_is_not_believed() -> None:
    """Each row is run alone then."""
    model = Doubler()
    model.batcher = Batcher(model.one, lambda rows: [0])
    futures = model.ask(1, [2, 3])
    assert [future.result() for future in futures] == [2, 4, 6]


def test_nothing_is_mixed_up_in_a_crowd() -> None:
    """Thousands of rows from many threads, some of them bad, without any order."""
    model = Doubler()
    model.began.set()

    def asked(number: int) -> int | str:
        try:
            return model.batcher((number,))
        except ValueError as error:
            return str(error)

    numbers = [-number if number % 7 == 0 else number for number in range(1, 4000)]
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(asked, numbers))
    assert found == [2 * number if number > 0 else f"{number} is negative" for number in numbers]
    assert model.batcher.waiting == 0


def test_a_model_is_answered_by_joint_runs(
    stock: tuple[Path, Shelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted style takes the place of the honest one, and every answer is the same, byte by byte."""
    folder, shelf = stock
    entry = Store(shelf.registry).read("pipeline", 1)
    honest = Model(entry)
    monkeypatch.setattr("server.model.style", style)
    join_rows()
    joined = Model(entry)
    planted = getattr(joined.answer, "__self__", None)
    assert isinstance(planted, JoinedStyle)
    rows = [tuple(asked["row"].values()) for asked in json.loads((folder / "asked.json").read_bytes())]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda row: joined.answer(row, False), rows * 10))
    assert answers == [honest.answer(row, False) for row in rows] * 10
    assert joined.answer(rows[0], True) == honest.answer(rows[0], True)
    assert joined.answer_batch([rows], True) == honest.answer_batch([rows], True)
    together = planted.batcher._many(rows[:MAX_JOINED])
    assert [b'{"prediction":%d}' % label for label in together] == answers[:MAX_JOINED]


def test_the_experiment_is_written(
    stock: tuple[Path, Shelf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tiny rounds of both servers: every answer right, each kind of load has its figures and verdict."""
    folder, shelf = stock
    monkeypatch.setattr(joining, "stocked", lambda own: _copied(folder, own, shelf))
    commands = argparse.ArgumentParser().add_subparsers()
    joining.add(commands)
    words = ["--rounds", "2", "--seconds", "0.1", "--warm-up", "0.05", "--out", str(tmp_path)]
    arguments = commands.choices["joining"].parse_args(words)
    assert arguments.run(arguments, "mps bench joining") == 0
    found = msgspec.json.decode((tmp_path / "joining.json").read_bytes(), type=joining.Experiment)
    assert found.faults == ()
    assert (found.rounds, found.floor) == (2, FLOOR)
    assert [one.connections for one in found.measured] == [16, 64]
    for one in found.measured:
        assert one.right > 0
        assert one.ratio is not None
        assert one.ratio.low > 0
    page = (tmp_path / "joining.md").read_text("utf-8")
    assert page == found.markdown()
    assert page.startswith("| connections | ")
    assert f"- {sum(one.right for one in found.measured):,} right answers, 0 faults" in page


def test_a_wrong_label_is_seen_before_anything_is_timed(stock: tuple[Path, Shelf], tmp_path: Path) -> None:
    """Planted into what the trainer is said to have said."""
    folder, shelf = stock
    asked = json.loads((folder / "asked.json").read_bytes())
    asked[7]["label"] = 1 - asked[7]["label"]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    with Ours(shelf, {"model_type": "pipeline", "models": ["pipeline"]}) as target:
        assert len(questions(target, folder)) == len(asked)
        with pytest.raises(LoadFailed, match=r"ours: the trainer says [01], came status 200: \{"):
            questions(target, tmp_path)


@pytest.mark.parametrize(("median", "verdict"), [(FLOOR - 0.01, "does not pay"), (FLOOR, "pays")])
def test_the_floor_decides(median: float, verdict: str) -> None:
    """Just reached is enough."""
    one = Joining(16, Spread(median, 1.0, 2.0), None, None, None, None, 1, 0.5)
    assert one.cells[-1] == verdict
    assert msgspec.structs.replace(one, ratio=None).cells[-1] == "does not pay"


def _copied(stocked: Path, own: Path, shelf: Shelf) -> Shelf:
    (own / "asked.json").write_bytes((stocked / "asked.json").read_bytes())
    return shelf
