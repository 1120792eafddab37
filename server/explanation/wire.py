"""Reads protobuf's wire format: bytes of one message in, its fields out. Nothing is looked at below that.

The serving install has no protobuf, and an explanation needs a few fields of a graph. Numbers of a repeated
field are decoded together by numpy: a large forest has millions.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
LONGEST = 10
"""Bytes of a varint."""
WORD = 1 << 64
WINDOW = 256
"""Bytes that are looked at first for more numbers of the same field."""


class Malformed(ValueError):
    """The bytes are no such message."""


class Message:
    """The fields of one message, told by number. What a field holds is decoded when it is asked for."""

    def __init__(self, data: memoryview) -> None:
        """Take the message apart.

        Raises:
            Malformed: it is cut off, or no message at all.
        """
        self._fields: dict[int, list[tuple[int, Any]]] = {}
        for number, kind, value in _fields(data):
            self._fields.setdefault(number, []).append((kind, value))

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def integer(self, number: int, default: int = 0) -> int:
        """The last value of a field of signed integers, as the format has it."""
        found = self.integers(number)
        return int(found[-1]) if len(found) else default

    def integers(self, number: int) -> NDArray[np.int64]:
        """Every value, packed or not."""
        parts = [
            varints(value) if kind == LENGTH else value for kind, value in self._of(number, VARINT, LENGTH)
        ]
        return np.concatenate(parts).view(np.int64) if parts else np.empty(0, np.int64)

    def floats(self, number: int) -> NDArray[np.float32]:
        """Every float32, packed or not."""
        return np.frombuffer(self._numbers(number, FIXED32, 4), "<f4")

    def doubles(self, number: int) -> NDArray[np.float64]:
        """Every float64, packed or not."""
        return np.frombuffer(self._numbers(number, FIXED64, 8), "<f8")

    def pieces(self, number: int) -> list[memoryview]:
        """Every value of a field of bytes, strings or messages."""
        return [value for _, value in self._of(number, LENGTH)]

    def messages(self, number: int) -> Iterator[Message]:
        """Every value of a field of messages."""
        return (Message(piece) for piece in self.pieces(number))

    def texts(self, number: int) -> list[str]:
        """Every value of a field of strings."""
        try:
            return [str(piece, "utf-8") for piece in self.pieces(number)]
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8") from None

    def text(self, number: int) -> str:
        """The last of them; empty where there is none."""
        return (self.texts(number) or [""])[-1]

    def _of(self, number: int, *kinds: int) -> list[tuple[int, Any]]:
        found = self._fields.get(number, [])
        if any(kind not in kinds for kind, _ in found):
            raise Malformed(f"field {number} is of another kind")
        return found

    def _numbers(self, number: int, kind: int, size: int) -> bytes:
        parts = [value for _, value in self._of(number, kind, LENGTH)]
        if any(len(part) % size for part in parts):
            raise Malformed(f"field {number} ends within a number")
        return b"".join(parts)


def varints(data: memoryview) -> NDArray[np.uint64]:
    """Varints one behind the other, ``(n,)``.

    Raises:
        Malformed: the last one is cut off, or one is too long.
    """
    raw = np.frombuffer(data, np.uint8)
    if not len(raw):
        return np.empty(0, np.uint64)
    ends = np.flatnonzero(raw < 0x80)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise Malformed("a number is cut off")
    return _decoded(raw, ends)


def _decoded(raw: NDArray[np.uint8], ends: NDArray[np.intp]) -> NDArray[np.uint64]:
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > LONGEST:
        raise Malformed("a number has too many bytes")
    found = np.zeros(len(ends), np.uint64)
    for place in range(int(lengths.max())):
        some = lengths > place
        part = (raw[starts[some] + place] & 0x7F).astype(np.uint64)
        found[some] |= part << np.uint64(7 * place)  # what is beyond 64 bits goes, as in every reader
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    at, end = 0, len(data)
    while at < end:
        tag, value_at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed("a field has an impossible number")
        if kind == VARINT:
            values, at = _run(data, at, value_at)
            yield number, kind, values
            continue
        if kind == LENGTH:
            size, value_at = _varint(data, value_at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, end)
        at = value_at + size
        if at > end:
            raise Malformed("a field is cut off, or of a kind that is not used")
        yield number, kind, data[value_at:at]


def _run(data: memoryview, at: int, value_at: int) -> tuple[NDArray[np.uint64], int]:
    """The number at ``value_at`` and those behind it that have the same tag, and where the last one ends."""
    value, after = _varint(data, value_at)
    tag = bytes(data[at:value_at])
    if len(tag) != 1 or bytes(data[after : after + 1]) != tag:
        return np.array([value], np.uint64), after
    window = WINDOW
    while True:  # a short run is not to cost a look at all that follows
        raw = np.frombuffer(data[at : at + window], np.uint8)
        ends = np.flatnonzero(raw < 0x80)
        begins = np.concatenate([[-1], ends[:-1]]) + 1
        whole = len(ends) // 2 * 2  # every second one is a tag
        same = (raw[begins[:whole:2]] == tag[0]) & (ends[:whole:2] == begins[:whole:2])
        run = int(np.argmin(np.append(same, False)))
        if 2 * run < whole or at + window >= len(data):
            break
        window *= 4
    length = int(ends[2 * run - 1]) + 1
    return _decoded(raw[:length], ends[: 2 * run])[1::2], at + length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number there, and where the next field begins."""
    value = 0
    for place, byte in enumerate(data[at : at + LONGEST]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value % WORD, at + place + 1
    raise Malformed("a number is cut off, or has too many bytes")
