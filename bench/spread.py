"""A figure from several rounds: the middle one, and how far the others lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Self

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Median, lowest and highest of one figure's rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self | None:
        """None when there is none."""
        kept = list(values)
        if not kept:
            return None
        return cls(*(round(value, 6) for value in (statistics.median(kept), min(kept), max(kept))))


def shown(spread: Spread | None, digits: int) -> str:
    """As a cell of a table: the median, and in brackets from where to where."""
    if spread is None:
        return "-"
    return f"{spread.median:.{digits}f} ({spread.low:.{digits}f} to {spread.high:.{digits}f})"
