"""How our server is to stand beside each other way of serving the same model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from bench.load.spec import Timings
from bench.spread import Spread

Measure = Literal["throughput", "p50", "p99"]
MANY, ONE, BATCH = "16 connections", "1 connection", "batches of 1,000 rows"
CONNECTIONS = {MANY: 16, ONE: 1, BATCH: 4}
BATCH_ROWS = 1000


class Goal(NamedTuple):
    """A bound of the ratio of ours to another's."""

    bound: float
    least: bool
    """The ratio is to be at least this; else at most."""


GOALS: dict[tuple[str, Measure, str], Goal] = {
    (MANY, "throughput", "bare rsgi"): Goal(1.3, least=True),
    (MANY, "throughput", "fastify"): Goal(1.1, least=True),
    (MANY, "throughput", "constant wsgi"): Goal(0.5, least=True),
    (ONE, "p50", "bare rsgi"): Goal(0.8, least=False),
}


class Ratio(msgspec.Struct, frozen=True):
    """Ours to another's, taken in each round by itself."""

    setting: str
    measure: Measure
    other: str
    ratio: Spread
    goal: str = ""
    """In words; empty: there is none."""
    met: bool | None = None


def value(timings: Timings, measure: Measure) -> float | None:
    """One figure of one round; None: without a right answer there is no latency."""
    if measure == "throughput":
        return timings.throughput_rps
    if timings.accepted is None:
        return None
    return timings.accepted.p50_ms if measure == "p50" else timings.accepted.p99_ms


def ratio(
    setting: str, measure: Measure, other: str, ours: Sequence[Timings], theirs: Sequence[Timings]
) -> Ratio | None:
    """Ours to theirs, round by round. A round in which they did not answer has no ratio; None: none has."""
    pairs = [(value(one, measure), value(two, measure)) for one, two in zip(ours, theirs, strict=True)]
    spread = Spread.of(one / two for one, two in pairs if one is not None and two)
    if spread is None:
        return None
    goal = GOALS.get((setting, measure, other))
    if goal is None:
        return Ratio(setting, measure, other, spread)
    met = spread.median >= goal.bound if goal.least else spread.median <= goal.bound
    words = f"at {'least' if goal.least else 'most'} {goal.bound:g}"
    return Ratio(setting, measure, other, spread, words, met)
