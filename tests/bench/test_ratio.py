"""The gate: a server that became slower fails it, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import main
from bench.errors import LoadFailed
from bench.load.cores import pinned, split
from bench.load.driver import interleaved
from bench.ratio import MAX_ATTEMPTS, judged, ours_to_theirs, prepared, table
from bench.spread import Spread
from bench.targets.pythons import BareRsgi
from bench.targets.shelf import Shelf
from bench.targets.target import Ours
from tests.bench.slowed import Slowed

pytestmark = pytest.mark.usefixtures("untraced")
ROUNDS, SECONDS, WARM_UP_S = 11, 0.1, 0.03
SLOWER = 0.35
"""Time wasted in each request, as a share of what an honest one takes: about a quarter fewer answers."""
FLOOR = 0.85
"""Of the honest ratio."""


def spread(median: float) -> Spread:
    return Spread(median, median / 2, median * 2)


def test_a_planted_slowdown_fails_the_gate(shelf: Shelf, tmp_path: Path) -> None:
    """The floor comes from this very run, so nothing here depends on the machine: only the fault does it."""
    cores = split(1)
    targets = (Ours(shelf, {}), Slowed(shelf, tmp_path, SLOWER), BareRsgi(shelf))
    with ExitStack() as stack:
        for target in targets:
            with pinned(cores.server):
                stack.enter_context(target)
        loads = prepared(targets, shelf, SECONDS, WARM_UP_S)
        runs = interleaved(loads, ROUNDS * MAX_ATTEMPTS, cores.load)

    def attempts(name: str) -> Iterator[Spread]:
        for begin in range(0, ROUNDS * MAX_ATTEMPTS, ROUNDS):
            rounds = slice(begin, begin + ROUNDS)
            yield ours_to_theirs({one: runs[one][rounds] for one in (name, "bare rsgi")})

    floor = FLOOR * ours_to_theirs({name: runs[name] for name in ("ours", "bare rsgi")}).median
    honest, slowed = attempts("ours"), attempts("slowed")
    kept = judged(lambda: next(honest), floor)
    broken = judged(lambda: next(slowed), floor)
    assert kept[-1].median >= floor, (floor, kept)
    assert broken[-1].median < floor, (floor, broken)
    assert len(broken) == MAX_ATTEMPTS


def test_one_good_attempt_is_enough() -> None:
    """A neighbour who spoils one is forgiven; the good one counts."""
    attempts = iter([spread(0.9), spread(1.1)])
    assert [one.median for one in judged(lambda: next(attempts), 1.0)] == [0.9, 1.1]
    assert judged(lambda: spread(1.0), 1.0) == [spread(1.0)]  # just met is kept


def test_three_bad_attempts_are_the_end() -> None:
    """No fourth."""
    assert judged(lambda: spread(0.9), 1.0) == [spread(0.9)] * MAX_ATTEMPTS
    assert table([spread(0.9)], 1.0).splitlines()[2] == "| 1       | 0.90 (0.45 to 1.80) |        1 |"


@pytest.mark.parametrize(("floor", "code", "attempts"), [("0.01", 0, 1), ("1000", 1, 3)])
def test_the_command_ends_as_it_found(
    floor: str,
    code: int,
    attempts: int,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 above the floor, 1 below it, and the table says by how much."""
    monkeypatch.setattr("bench.ratio.stocked", lambda _: shelf)
    words = ["--rounds", "2", "--seconds", "0.1", "--warm-up", "0.02"]
    assert main(["ratio", "--floor", floor, *words]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + attempts + 1
    assert lines[-2].startswith(f"| {attempts} ")


def test_a_wrong_answer_is_never_forgiven(shelf: Shelf) -> None:
    """However fast it came."""
    with BareRsgi(shelf) as target:
        loads = prepared([target], shelf, 0.1, 0.02)
        right = loads["bare rsgi"].exchanges[0]
        wrong = msgspec.structs.replace(right, expected=b"nonsense")
        loads["ours"] = msgspec.structs.replace(loads["bare rsgi"], exchanges=(right, wrong))
        with pytest.raises(LoadFailed, match=r"ours: expected nonsense, came \{"):
            ours_to_theirs(interleaved(loads, 1, split(1).load))
