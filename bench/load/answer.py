"""The head of an HTTP/1.1 answer: as much of it as tells where the answer ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

END = b"\r\n\r\n"
MAX_HEAD_BYTES = 16 << 10
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})(?: .*)?", re.DOTALL)


class BadAnswer(Exception):
    """It breaks the protocol, or uses a part of it that is not supported here; the text says which."""


class Head(NamedTuple):
    """What stands before the body."""

    status: int
    head_bytes: int
    """With the empty line."""
    body_bytes: int
    length_line: bytes
    """The Content-Length line as this server spells it, between its line ends."""
    closes: bool
    """The server says that it ends the connection with this answer."""
    fields: Mapping[bytes, bytes]
    """The lines below the first: names in lower case to values."""


def read_head(data: bytes) -> Head | None:
    """Of an answer; None while it is incomplete.

    Raises:
        BadAnswer: it is not HTTP/1.1, or does not say its length beforehand.
    """
    end = data.find(END)
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise BadAnswer(f"no end of the head in {len(data)} bytes")
        return None
    first, *lines = data[:end].split(b"\r\n")
    status = STATUS_LINE.fullmatch(first)
    if not status:
        raise BadAnswer(f"expected an HTTP/1.1 status line, came {first[:80]!r}")
    fields = [(_name(line), line) for line in lines]
    if any(name == b"transfer-encoding" for name, _ in fields):
        raise BadAnswer("the answer is chunked; only answers with Content-Length are supported")
    lengths = [line for name, line in fields if name == b"content-length"]
    if len(lengths) != 1 or not _value(lengths[0]).isdigit():
        raise BadAnswer(f"expected one Content-Length, came {b', '.join(lengths)[:80]!r}")
    closes = any(name == b"connection" and _value(line).lower() == b"close" for name, line in fields)
    return Head(
        status=int(status[1]),
        head_bytes=end + len(END),
        body_bytes=int(_value(lengths[0])),
        length_line=b"\r\n%b\r\n" % lengths[0],
        closes=closes,
        fields={name: _value(line) for name, line in fields},
    )


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].strip()
