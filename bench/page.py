"""The parts of a page that are generated, each between its markers."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BadDocument

MODELS, PERFORMANCE = "models", "performance"
"""Names of parts."""


def begin(part: str) -> str:
    """The marker before it."""
    return f"<!-- {part}:begin -->"


def end(part: str) -> str:
    """The marker after it."""
    return f"<!-- {part}:end -->"


def read_block(page: Path, part: str) -> str:
    """What stands between the markers.

    Raises:
        BadDocument: the page is not there, or has not each marker once, in this order.
    """
    return _parts(page, part)[1]


def write_block(page: Path, part: str, content: str) -> None:
    """Replace what stands between the markers, and nothing else.

    Raises:
        BadDocument: see ``read_block``; nothing was written.
    """
    before, _, after = _parts(page, part)
    page.write_text(before + begin(part) + content + end(part) + after, "utf-8")


def _parts(page: Path, part: str) -> tuple[str, str, str]:
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise BadDocument(f"{page} cannot be read: {error.strerror}") from None
    first, last = begin(part), end(part)
    before, found, rest = text.partition(first)
    block, ended, after = rest.partition(last)
    if not found or not ended or first in rest or last in after or last in before:
        raise BadDocument(f"{page}: expected one {first} and after it one {last}")
    return before, block, after
