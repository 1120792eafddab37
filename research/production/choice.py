"""When to use which: rules over the figures, not opinions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from research.claims.rules import LEVEL
from research.overview import peers, plainest
from research.production.measured import Measured, ModelCost
from research.study.errors import StudyError
from research.study.families import INTERPRETABILITY
from research.study.results import FamilyResult, Results, Score
from research.validation.intervals import Interval

BUDGET_MS = 10.0
METHOD = "leave_one_out"


class Contender(NamedTuple):
    """A model with what it costs and what it is worth."""

    cost: ModelCost
    result: FamilyResult
    accuracy: Score

    @property
    def name(self) -> str:
        """Of the model."""
        return self.cost.name

    @property
    def plainness(self) -> int:
        """0: the easiest to explain."""
        return list(INTERPRETABILITY).index(self.result.kind)


def contenders(measured: Measured, iris: Results) -> list[Contender]:
    """Every model that was measured and studied, the easiest to explain first.

    Raises:
        StudyError: one was measured and not studied.
    """
    found = []
    for cost in measured.models:
        result = next((each for each in iris.families if each.name == cost.name), None)
        accuracy = iris.score(cost.name, METHOD, "accuracy")
        if result is None or accuracy is None:
            raise StudyError(f"the study of iris has no {METHOD} of {cost.name}")
        found.append(Contender(cost, result, accuracy))
    return sorted(found, key=lambda each: each.plainness)


def front(found: Sequence[Contender]) -> list[str]:
    """Models that no other beats: at least as accurate and at least as fast, and one of both truly."""
    return [each.name for each in found if not any(_beats(other, each) for other in found)]


def _beats(one: Contender, other: Contender) -> bool:
    mine, theirs = (
        (each.accuracy.value, -each.cost.served.p99_ms) for each in (one, other)
    )  # more is better in both
    return mine != theirs and mine[0] >= theirs[0] and mine[1] >= theirs[1]


def recommendations(found: Sequence[Contender], done: Sequence[Results]) -> list[tuple[str, str, str]]:
    """Purpose, model and reason; the rule is in the reason. ``done``: the study of iris, then all others."""
    return [*_on_iris(found, done[0]), _readable(found), *_elsewhere(done[1:])]


def _readable(found: Sequence[Contender]) -> tuple[str, str, str]:
    learned = [each.result for each in found if each.result.kind != "heuristic"]
    plain = plainest(learned)
    return (
        "to be read, where nobody can write the rules",
        plain.name,
        f"interpretability {plain.interpretability}",
    )


def _elsewhere(others: Sequence[Results]) -> list[tuple[str, str, str]]:
    """Other tables, by the plainest family that no test tells from the best one."""
    known: dict[str, list[str]] = {}
    for each in others:
        if alike := peers(each):
            known.setdefault(plainest([family for family, _ in alike]).name, []).append(each.name)
    why = "the plainest that no test tells from the best one there"
    return [(f"rows like those of {', '.join(tables)}", name, why) for name, tables in known.items()]


def _on_iris(found: Sequence[Contender], iris: Results) -> list[tuple[str, str, str]]:
    differ = any(each.p_holm < LEVEL for each in iris.comparisons)
    best = max(found, key=lambda each: each.accuracy.value)
    alike = [each for each in found if not _worse(each, best, iris)]
    plain = min(alike, key=lambda each: each.plainness)
    light = min(found, key=lambda each: each.cost.another_mb)
    quick = min(found, key=lambda each: each.cost.native.p50_ms)
    sure = surest(found)
    slowest = max(found, key=lambda each: each.cost.served.p99_ms)
    return [
        (
            "to begin with, on iris",
            plain.name,
            f"no model differs from the most accurate ({best.name}) by a paired test"
            if not differ
            else f"the plainest that no paired test tells from the most accurate ({best.name})",
        ),
        (
            "probabilities that are used as such",
            sure.name,
            "the plainest whose Brier score has an interval that meets the best one's",
        ),
        (
            "many models in one process",
            light.name,
            f"one more session takes least: {light.cost.another_mb:.2f} MB",
        ),
        (
            "inside another Python program, without ONNX",
            quick.name,
            f"fastest in its library: {quick.cost.native.p50_ms:.3f} ms at the median",
        ),
        (
            "speed, served",
            "any",
            f"the slowest ({slowest.name}) has p99 {slowest.cost.served.p99_ms:.1f} ms of a budget of "
            f"{BUDGET_MS:g} ms: latency does not decide",
        )
        if slowest.cost.served.p99_ms < BUDGET_MS
        else (
            "speed, served",
            min(found, key=lambda each: each.cost.served.p99_ms).name,
            f"{slowest.name} misses the budget of {BUDGET_MS:g} ms",
        ),
    ]


def surest(found: Sequence[Contender]) -> Contender:
    """The plainest whose Brier score cannot be told from the best by their intervals."""
    scored = [(each, each.result.calibration.brier) for each in found if each.result.calibration]
    _, best = min(scored, key=lambda pair: pair[1].value)
    return min(
        (each for each, score in scored if _interval(score).meets(_interval(best))), key=lambda e: e.plainness
    )


def _worse(each: Contender, best: Contender, iris: Results) -> bool:
    pair = {each.name, best.name}
    return any({test.first, test.second} == pair and test.p_holm < LEVEL for test in iris.comparisons)


def _interval(score: Score) -> Interval:
    low = score.value if score.low is None else score.low
    return Interval(low, score.value if score.high is None else score.high)
