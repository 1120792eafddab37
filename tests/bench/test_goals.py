"""Ratios of ours to others, and whether they are as they should be."""

from __future__ import annotations

import pytest

from bench.goals import BATCH, MANY, ONE, Measure, ratio
from bench.spread import Spread, shown
from tests.bench.timed import timed


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that was half as fast in one round changes nothing; the ratio of the medians would."""
    ours = [timed(100), timed(20), timed(60)]
    theirs = [timed(50), timed(10), timed(40)]
    found = ratio(MANY, "throughput", "somebody", ours, theirs)
    assert found is not None
    assert (found.ratio, found.goal, found.met) == (Spread(2.0, 1.5, 2.0), "", None)


@pytest.mark.parametrize(
    ("setting", "measure", "other", "ours", "theirs", "goal", "met"),
    [
        (MANY, "throughput", "bare rsgi", timed(130), timed(100), "at least 1.3", True),
        (MANY, "throughput", "bare rsgi", timed(129), timed(100), "at least 1.3", False),
        (MANY, "throughput", "fastify", timed(111), timed(100), "at least 1.1", True),
        (MANY, "throughput", "constant wsgi", timed(49), timed(100), "at least 0.5", False),
        (ONE, "p50", "bare rsgi", timed(1, p50_ms=0.8), timed(1), "at most 0.8", True),
        (ONE, "p50", "bare rsgi", timed(1, p50_ms=0.81), timed(1), "at most 0.8", False),
        (ONE, "p99", "bare rsgi", timed(1, p50_ms=0.81), timed(1), "", None),
        (BATCH, "throughput", "bare rsgi", timed(1), timed(100), "", None),
    ],
)
def test_goals_are_held_against_the_median(
    setting: str, measure: Measure, other: str, ours: object, theirs: object, goal: str, met: bool | None
) -> None:
    """More is better for throughput, less for latency."""
    found = ratio(setting, measure, other, [ours], [theirs])  # type: ignore[list-item]
    assert found is not None
    assert (found.goal, found.met) == (goal, met)


def test_rounds_without_an_answer() -> None:
    """Ours that does not answer is nothing of theirs; theirs that does not answer tells nothing."""
    found = ratio(MANY, "throughput", "a", [timed(0), timed(4), timed(4)], [timed(2), timed(2), timed(0)])
    assert found is not None
    assert found.ratio == Spread(1.0, 0.0, 2.0)
    assert ratio(MANY, "throughput", "a", [timed(2)], [timed(0)]) is None
    assert ratio(ONE, "p50", "a", [timed(0)], [timed(2)]) is None


def test_a_spread_is_shown_with_its_range() -> None:
    """Or as nothing."""
    assert shown(Spread.of([3, 1, 2]), 1) == "2.0 (1.0 to 3.0)"
    assert shown(Spread.of([]), 1) == "-"
