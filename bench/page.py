"""The part of a page that is generated, between its markers."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BadDocument

BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"


def read_block(page: Path) -> str:
    """What stands between the markers.

    Raises:
        BadDocument: the page is not there, or has not each marker once, in this order.
    """
    return _parts(page)[1]


def write_block(page: Path, content: str) -> None:
    """Replace what stands between the markers, and nothing else.

    Raises:
        BadDocument: see ``read_block``; nothing was written.
    """
    before, _, after = _parts(page)
    page.write_text(before + BEGIN + content + END + after, "utf-8")


def _parts(page: Path) -> tuple[str, str, str]:
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise BadDocument(f"{page} cannot be read: {error.strerror}") from None
    before, begin, rest = text.partition(BEGIN)
    block, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after or END in before:
        raise BadDocument(f"{page}: expected one {BEGIN} and after it one {END}")
    return before, block, after
