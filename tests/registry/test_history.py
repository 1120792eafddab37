"""The history: what was promoted and rolled back, also by processes that died at the worst moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import disk, history
from registry.errors import BrokenEntry, PromotionRefused, RegistryError
from registry.history import MAX_STEPS, Action, History, Step, took_effect, way
from registry.store import Store

KILLED = """
import os, signal, sys
from pathlib import Path
from registry import pointer
from registry.store import Store
pointer.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Store(Path(sys.argv[1])).{call}
"""
"""Dies after the history was written, before the pointer is."""


def step(version: int, before: int | None, action: Action = "promote") -> Step:
    """At some moment."""
    return Step(time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), action=action, version=version, before=before)


def told(store: Store, name: str = "flowers") -> list[tuple[str, int, int | None, bool]]:
    """The history in short."""
    steps = store.steps(name)
    took = took_effect(steps, store.current_or_none(name))
    return [(s.action, s.version, s.before, took) for s, took in zip(steps, took, strict=True)]


def test_promotions_and_rollbacks_are_recorded(shelf: Store) -> None:
    """In order, with what was current before and the time; what changes nothing is no step."""
    began = history.now()
    shelf.promote("flowers@3")
    shelf.promote("flowers")
    shelf.rollback("flowers")
    assert told(shelf) == [
        ("promote", 2, None, True),
        ("promote", 3, 2, True),
        ("rollback", 2, 3, True),
    ]
    assert began <= shelf.steps("flowers")[-1].time <= history.now()
    assert shelf.steps("trees") == ()


def test_a_rollback_goes_to_what_was_current_before(shelf: Store) -> None:
    """Not to the next older number; one after the other it goes the whole way back."""
    for version in (1, 3, 1, 3):
        shelf.promote(f"flowers@{version}")
    assert [shelf.rollback("flowers")[1] for _ in range(4)] == [1, 3, 1, 2]
    assert shelf.way_back("flowers") == (1, False)


def test_a_rollback_without_a_history_takes_the_next_older(shelf: Store) -> None:
    """As registries of before there was one have it; from then on it is recorded."""
    shelf.promote("flowers@3")
    (shelf.root / "flowers/history.json").unlink()
    assert shelf.way_back("flowers") == (2, False)
    assert shelf.rollback("flowers") == ("flowers", 2)
    assert told(shelf) == [("rollback", 2, 3, True)]


@pytest.mark.parametrize(
    ("steps", "current", "expected"),
    [
        ([], 4, [4]),
        ([step(1, None), step(2, 1)], 2, [1, 2]),
        ([step(2, 1)], 2, [1, 2]),  # the first was promoted before there was a history
        ([step(1, None), step(2, 1)], 1, [1]),  # died in between
        ([step(1, None), step(2, 1), step(3, 1)], 3, [1, 3]),  # died, and was tried otherwise
        ([step(1, None), step(2, 1), step(2, 1)], 2, [1, 2]),  # died, and was tried again
        ([step(1, None), step(2, 1), step(4, 3)], 4, [1, 2, 3, 4]),  # changed by hand to 3
        ([step(1, None), step(2, 1)], 5, [1, 2, 5]),  # changed by hand
        ([step(1, None), step(3, 1), step(1, 3, "rollback")], 1, [1]),
        ([step(2, None), step(1, 2, "rollback")], 1, [1]),  # to the next older number
    ],
)
def test_the_way_to_the_current_version(steps: list[Step], current: int, expected: list[int]) -> None:
    """Whoever died, and whoever wrote the pointer by hand."""
    assert way(steps, current) == expected


def test_a_version_that_is_gone_is_passed_over(shelf: Store) -> None:
    """A rollback never leads to what is not there."""
    shelf.promote("flowers@3")
    shelf.promote("flowers@1")
    (shelf.root / "flowers/3").rename(shelf.root / "gone")
    assert shelf.way_back("flowers") == (2, True)


@pytest.mark.parametrize("call", ['promote("flowers@3")', 'rollback("flowers")'])
def test_a_kill_between_the_two_writes_changes_nothing_that_is_served(shelf: Store, call: str) -> None:
    """The step stands there as one that took no effect; the next command goes on, and leads back rightly."""
    shelf.promote("flowers@1")
    current = (shelf.root / "flowers/current").read_bytes()
    command = [sys.executable, "-c", KILLED.format(call=call), str(shelf.root)]
    died = subprocess.run(command, cwd=Path(history.__file__).parent.parent, check=False)
    assert died.returncode == -signal.SIGKILL
    assert (shelf.root / "flowers/current").read_bytes() == current
    assert told(shelf)[-1][3] is False
    assert len(told(shelf)) == 3
    assert shelf.rollback("flowers") == ("flowers", 2)
    assert [took for *_, took in told(shelf)] == [True, True, False, True]


def test_a_pointer_that_cannot_be_written_leaves_no_step(shelf: Store) -> None:
    """A disk that fails between the two: the history is put back as it was."""
    (shelf.root / "trees/current").mkdir()
    with pytest.raises(RegistryError, match="Is a directory"):
        shelf.promote("trees")
    assert not (shelf.root / "trees/history.json").exists()
    before = (shelf.root / "flowers/history.json").read_bytes()
    (shelf.root / "flowers/current").unlink()
    (shelf.root / "flowers/current").mkdir()
    with pytest.raises(RegistryError, match="Is a directory"):
        shelf.promote("flowers@3")
    assert (shelf.root / "flowers/history.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"format":2}', b'{"steps":[{"version":1}]}'])
def test_a_malformed_history_is_told_and_kept(shelf: Store, content: bytes) -> None:
    """Nothing writes over it; who is current does not depend on it."""
    file = shelf.root / "flowers/history.json"
    file.write_bytes(content)
    for call in (shelf.steps, shelf.rollback, lambda name: shelf.promote(f"{name}@3")):
        with pytest.raises(BrokenEntry, match=r"'history.json' is malformed: .*; mend it or move it away"):
            call("flowers")
    assert (file.read_bytes(), shelf.current("flowers")) == (content, 2)
    file.unlink()
    file.mkdir()
    with pytest.raises(BrokenEntry, match="cannot be read: Is a directory"):
        shelf.steps("flowers")


def test_the_oldest_steps_go_first() -> None:
    """A registry that is promoted to every hour does not grow for ever."""
    full = History(steps=tuple(step(number + 1, number) for number in range(MAX_STEPS)))
    assert full.with_step(step(9, 8)).steps == (*full.steps[1:], step(9, 8))


def test_promoters_that_race_are_all_recorded(shelf: Store) -> None:
    """Each takes its turn: no step is lost, and each knows what was current before it."""
    start = threading.Barrier(6)

    def promote(number: int) -> None:
        start.wait()
        for turn in range(5):
            shelf.promote(f"flowers@{(number + turn) % 3 + 1}")

    threads = [threading.Thread(target=promote, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = shelf.steps("flowers")
    assert [after.before for after in steps[1:]] == [step.version for step in steps[:-1]]
    assert steps[-1].version == shelf.current("flowers")


def test_without_locks_it_goes_on(shelf: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none."""

    def refuse(*_: object) -> None:
        raise OSError(9, os.strerror(9))

    monkeypatch.setattr("fcntl.flock", refuse)
    assert shelf.promote("flowers@3") == ("flowers", 3)
    assert told(shelf)[-1] == ("promote", 3, 2, True)


def test_a_rollback_that_was_overtaken_is_refused(shelf: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for it had another version before their eyes."""
    shelf.promote("flowers@3")
    real = Store.way_back

    def overtaken(store: Store, name: str) -> tuple[int, bool]:
        found = real(store, name)
        disk.replace(store.root / name / "current", b"1\n")
        return found

    monkeypatch.setattr(Store, "way_back", overtaken)
    with pytest.raises(PromotionRefused, match="flowers: 1 became current meanwhile; nothing changed"):
        shelf.rollback("flowers")
    assert shelf.current("flowers") == 1
    assert len(shelf.steps("flowers")) == 2
