"""Text from anywhere, safe in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MEANING = re.compile(r"([\\`*_\[\]<>|~#&!])")


def words(text: str) -> str:
    """In one line, with no meaning but its own, also in a cell of a table."""
    return MEANING.sub(r"\\\1", _line(text))


def code(text: str) -> str:
    """As code, in a fence longer than any in it; a bar would end the cell of a table even there."""
    line = _line(text).replace("|", "¦")
    ticks = "`" * (_longest(line) + 1)
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fenced(language: str, text: str) -> list[str]:
    """A block of code that nothing in it can end."""
    ticks = "`" * max(3, _longest(text) + 1)
    return [f"{ticks}{language}", text, ticks]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table; cells are Markdown already."""
    for cells in (headings, ["---"] * len(headings), *rows):
        yield f"| {' | '.join(cells)} |"


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
