"""Rows as a Markdown table that also reads well on a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, all others, which are numbers or short words, to the right."""
    widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(headings, widths), _line(rule, widths), *(_line(row, widths) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join([first, *others]) + " |"
