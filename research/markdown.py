"""Tables and marked places of Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * max(width, 3) for width in widths], *rows]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def between(value: float, low: float | None, high: float | None, percent: bool = True) -> str:
    """A figure with its interval: ``96.0 % [91.5, 98.2]``."""
    if percent:
        ends = "" if low is None or high is None else f" [{low:.1%}, {high:.1%}]".replace("%", "")
        return f"{value * 100:.1f} %{ends}"
    return f"{value:.3g}" + ("" if low is None or high is None else f" [{low:.3g}, {high:.3g}]")


def markers(name: str) -> tuple[str, str]:
    """The lines between which ``mps research report`` writes."""
    begin = f"<!-- {name}: written by `mps research report`, do not edit -->"
    return begin, f"<!-- end of {name} -->"


def put(page: Path, text: str, name: str, block: str) -> str:
    """The text of a page with a fresh block between its markers; the rest stays.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = markers(name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no place for the figures; expected the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n{block}\n{end}{after}"
