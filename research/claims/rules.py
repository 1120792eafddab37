"""The rules that decide: figures in, a verdict out. Each is written down beside its claim, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from research.claims.claim import Verdict
from research.validation.intervals import Interval

LEVEL = 0.05
FACTOR = 1.5
ROUNDING = 1e-9
"""Of figures that were written with few digits."""

ACCURACY = (
    "holds: leave-one-out and repeated k-fold both within half a row of it; "
    "depends: it is in both intervals; else it does not hold"
)
LEVEL_OFF = (
    "holds: leave-one-out and repeated k-fold of every family within 96-97 % and no pair differs; depends: "
    "every interval reaches into 96-97 % and no pair differs; else it does not hold"
)
SPLIT = (
    "holds: the middle half of the splits' differences reaches 5.6 points in every family; depends: at least "
    "one split of one family does; else it does not hold"
)
HELPS = (
    "holds: better in every tree model (corrected resampled t, p after Holm below 0.05); depends: in some; "
    "else it does not hold"
)
DIMINISH = (
    "holds: more trees than one are never better (corrected resampled t, p after Holm below 0.05); depends: "
    "in some comparisons; does not hold: in every one"
)
BELOW = "holds: p99 is below it; depends: only the median is; else it does not hold"
ABOUT = "holds: the median is within a factor of 1.5 of it; else it does not hold"
MEMORY = (
    "holds: each way of counting is within a factor of 1.5 of it (the model alone; with its library; the "
    "whole process); depends: one or two are; else it does not hold"
)


class Change(NamedTuple):
    """A difference with its adjusted chance; positive: the change is for the better."""

    name: str
    difference: float
    p: float

    @property
    def better(self) -> bool:
        """Whether it is for the better, and not by chance."""
        return self.difference > 0 and self.p < LEVEL


def accuracy(claimed: float, rows: int, found: Sequence[tuple[float, Interval]]) -> Verdict:
    """``found``: value and interval by each method, as shares."""
    if all(abs(value - claimed) <= 0.5 / rows + ROUNDING for value, _ in found):
        return "holds"
    return "depends" if all(interval.holds(claimed) for _, interval in found) else "does not hold"


def level_off(band: Interval, found: Sequence[tuple[float, Interval]], differ: bool) -> Verdict:
    """``differ``: whether any pair of families differs after Holm's adjustment."""
    if differ or not all(interval.meets(band) for _, interval in found):
        return "does not hold"
    wide = Interval(band.low - ROUNDING, band.high + ROUNDING)
    return "holds" if all(wide.holds(value) for value, _ in found) else "depends"


def split_differs(claimed: float, families: Sequence[Sequence[float]]) -> Verdict:
    """``families``: of each, the absolute differences of its splits from leave-one-out, ascending."""
    reached = [sum(each >= claimed - ROUNDING for each in found) / len(found) for found in families]
    if all(share >= 0.25 for share in reached):
        return "holds"
    return "depends" if any(reached) else "does not hold"


def helps(changes: Sequence[Change]) -> Verdict:
    """Whether a change is for the better in all, in some or in none."""
    better = sum(change.better for change in changes)
    return "holds" if better == len(changes) else "depends" if better else "does not hold"


def diminishes(changes: Sequence[Change]) -> Verdict:
    """Whether more trees bring nothing in all, in some or in none of the comparisons."""
    better = sum(change.better for change in changes)
    return "holds" if not better else "depends" if better < len(changes) else "does not hold"


def below(limit: float, p50: float, p99: float) -> Verdict:
    """A time that is said to stay below a limit, in any one unit."""
    return "holds" if p99 < limit else "depends" if p50 < limit else "does not hold"


def about(claimed: float, found: float) -> Verdict:
    """A figure that is said to be about so much."""
    return "holds" if claimed / FACTOR <= found <= claimed * FACTOR else "does not hold"


def memory(claimed: float, ways: Sequence[float]) -> Verdict:
    """``ways``: the same memory counted in different ways, in one unit."""
    right = sum(about(claimed, each) == "holds" for each in ways)
    return "holds" if right == len(ways) else "depends" if right else "does not hold"
