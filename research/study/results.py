"""What a study found, as it is written down."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from registry.manifest import Task
from research.validation.calibration import Bin
from research.validation.confusion import ClassQuality

DIGITS = 6
"""Significant ones that are written: the last bits of a sum are another processor's own."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One quality by one method."""

    method: str
    metric: str
    value: float
    low: float | None = None
    """With ``high``: interval of 95 %; ``how`` says which."""
    high: float | None = None
    rows: int
    """Different rows that were asked."""
    how: str


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How far stated probabilities can be believed, on held-out rows."""

    how: str
    brier: Score
    expected_error: Score
    bins: tuple[Bin, ...]


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of each true class (down) by answered class (across), on held-out rows."""

    how: str
    counts: tuple[tuple[int, ...], ...]
    classes: tuple[ClassQuality, ...]


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """What the nested search chose, and in how many of its folds."""

    parameters: dict[str, Any]
    folds: int


class FamilyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One family."""

    name: str
    kind: str
    interpretability: str
    parameters: dict[str, Any]
    scores: tuple[Score, ...]
    left_out: dict[str, str]
    """Method to why it was not used."""
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    picks: tuple[Pick, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A paired test between two families."""

    first: str
    second: str
    test: str
    difference: float
    """First minus second."""
    low: float | None = None
    high: float | None = None
    only_first: int | None = None
    """Rows that only the first got right."""
    only_second: int | None = None
    p: float
    p_holm: float
    """Adjusted for all pairs of the study."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole study."""

    name: str
    title: str
    about: str
    task: Task
    rows: int
    features: tuple[str, ...]
    classes: tuple[str, ...]
    sha256: str
    """Digest of the rows and answers (``convert.sources.carding.fingerprint``); empty where they are made up,
    as the last bits of made-up numbers are another processor's own."""
    families: tuple[FamilyResult, ...]
    comparisons: tuple[Comparison, ...]

    def score(self, family: str, method: str, metric: str) -> Score | None:
        """One score, where there is one."""
        found = (score for each in self.families if each.name == family for score in each.scores)
        return next((each for each in found if (each.method, each.metric) == (method, metric)), None)


def rounded(value: Any) -> Any:
    """The same with every float to ``DIGITS`` significant digits, in lists and dictionaries throughout."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value


def encoded(results: msgspec.Struct) -> bytes:
    """Indented JSON with sorted keys and rounded figures: the same bytes for the same study."""
    plain = rounded(msgspec.to_builtins(results))
    return msgspec.json.format(msgspec.json.encode(plain, order="sorted"), indent=1) + b"\n"
