"""Every rule says every one of its verdicts, on both sides of where it turns."""

from __future__ import annotations

import pytest

from research.claims import rules
from research.claims.rules import Change
from research.validation.intervals import Interval

WIDE, NARROW = Interval(0.9, 0.98), Interval(0.94, 0.955)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([(0.96, WIDE), (0.96, WIDE)], "holds"),
        ([(0.96 + 0.5 / 150, WIDE), (0.96 - 0.5 / 150, WIDE)], "holds"),
        ([(0.96, WIDE), (0.96 - 0.51 / 150, WIDE)], "depends"),
        ([(0.95, WIDE), (0.95, WIDE)], "depends"),
        ([(0.95, WIDE), (0.95, NARROW)], "does not hold"),
    ],
)
def test_accuracy(found: list[tuple[float, Interval]], verdict: str) -> None:
    """Half a row by both methods; in both intervals; outside of one."""
    assert rules.accuracy(0.96, 150, found) == verdict


@pytest.mark.parametrize(
    ("found", "differ", "verdict"),
    [
        ([(0.96, WIDE), (0.97, WIDE)], False, "holds"),
        ([(0.96, WIDE), (0.971, WIDE)], False, "depends"),
        ([(0.959, WIDE), (0.96, WIDE)], False, "depends"),
        ([(0.96, WIDE), (0.95, NARROW)], False, "does not hold"),
        ([(0.96, WIDE), (0.97, WIDE)], True, "does not hold"),
    ],
)
def test_level_off(found: list[tuple[float, Interval]], differ: bool, verdict: str) -> None:
    """All in the band; all near it; one away from it, or a pair that differs."""
    assert rules.level_off(Interval(0.96, 0.97), found, differ) == verdict


@pytest.mark.parametrize(
    ("families", "verdict"),
    [
        ([[1, 2, 3, 5.6], [0, 0, 0, 6]], "holds"),
        ([[1, 2, 3, 5.6], [0, 0, 0, 5.5]], "depends"),
        ([[1, 2, 3, 4, 5.6], [0, 0, 0, 6]], "depends"),
        ([[1, 2, 3, 5.5], [0, 0, 0, 5.5]], "does not hold"),
    ],
)
def test_split_differs(families: list[list[float]], verdict: str) -> None:
    """The upper quarter of every family; one split of one; none."""
    assert rules.split_differs(5.6, families) == verdict


GAIN, CHANCE, LOSS = Change("a", 0.01, 0.049), Change("b", 0.02, 0.05), Change("c", -0.01, 0.001)


def test_a_gain_is_one_that_is_not_by_chance() -> None:
    """And a sure loss is none."""
    assert [change.better for change in (GAIN, CHANCE, LOSS)] == [True, False, False]


@pytest.mark.parametrize(
    ("changes", "helps", "diminishes"),
    [
        ([GAIN, GAIN], "holds", "does not hold"),
        ([GAIN, CHANCE], "depends", "depends"),
        ([CHANCE, LOSS], "does not hold", "holds"),
    ],
)
def test_changes(changes: list[Change], helps: str, diminishes: str) -> None:
    """In all, in some, in none."""
    assert rules.helps(changes) == helps
    assert rules.diminishes(changes) == diminishes


@pytest.mark.parametrize(
    ("p50", "p99", "verdict"),
    [(0.5, 0.99, "holds"), (0.5, 1.0, "depends"), (0.99, 2.0, "depends"), (1.0, 2.0, "does not hold")],
)
def test_below(p50: float, p99: float, verdict: str) -> None:
    """The whole of it; the median only; neither."""
    assert rules.below(1.0, p50, p99) == verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [(1.99, "does not hold"), (2.0, "holds"), (4.5, "holds"), (4.51, "does not hold")],
)
def test_about(found: float, verdict: str) -> None:
    """Within a factor of one and a half, both ways."""
    assert rules.about(3.0, found) == verdict


def test_memory() -> None:
    """By every way of counting, by some, by none."""
    assert rules.memory(10, [9, 10, 11]) == "holds"
    assert rules.memory(10, [9, 100, 11]) == "depends"
    assert rules.memory(10, [1, 100, 200]) == "does not hold"
