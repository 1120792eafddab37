"""A batch of numbers, straight from JSON into arrays: no object is made for a number.

It is for the batch that almost everybody sends: rows as arrays, nothing unusual. Whatever is not exactly that
is left to ``server.schema``, which takes more, and to ``server.diagnosis``, which says what is wrong. What is
read here would be read there too, and to the same bits.
"""

from __future__ import annotations

import re
from math import nan
from typing import cast

import numpy as np
from numpy.typing import NDArray
from simdjson import Array, Parser

from registry.manifest import Signature
from server.schema import bounds

CHUNK_BYTES = 32 << 10
"""Of a body, read together: one call keeps every other thread out, and for so much takes about 0.1 ms."""
MOST_CHUNK_BYTES = 256 << 10
"""A chunk ends with a row. Longer ones are left to others: a parser keeps many times as much memory."""
MISSING = b"-9e307"
"""Stands for null while numbers are parsed. The parser refuses it beside anything but a comma, a bracket or
space: nothing may come before its sign; a digit behind it makes it infinite; nothing else may come there."""
REFUSALS = (ValueError, TypeError, RuntimeError, MemoryError)
"""What the parser raises."""
OPENING = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"instances"[ \t\n\r]*:[ \t\n\r]*\[')
COMMA = re.compile(rb"[ \t\n\r]*,")
CLOSING = re.compile(rb"[ \t\n\r]*\][ \t\n\r]*\}[ \t\n\r]*")

Matrix = NDArray[np.float64]
"""``(n, features) float64``, in C order; NaN is missing."""


def matrix_reader(signature: Signature) -> MatrixReader | None:
    """A reader for the model, unless a feature is text or an integer: what is no float64 is not for it."""
    if all(feature.dtype in ("float32", "float64") for feature in signature.features):
        return MatrixReader(signature)
    return None


class MatrixReader:
    """Reads batches for one model. Safe to call from several threads."""

    def __init__(self, signature: Signature, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Work out what a row looks like; every feature is a float32 or a float64."""
        self._width = len(signature.features)
        self._row = b"[%b]," % (b"," * (self._width - 1))
        """What is left of a row without its numbers."""
        may_be_missing = [feature.may_be_missing for feature in signature.features]
        self._numbers = b"0123456789+-.eE \t\n\r" + (b"nul" if any(may_be_missing) else b"")
        """Bytes of numbers, of null, and between them. The parser sees whether they are in order."""
        self._required = ~np.array(may_be_missing)
        self._chunk_bytes = chunk_bytes
        low, high = zip(*map(bounds, signature.features), strict=True)
        most_rows = chunk_bytes // (2 * self._width + 2) + 2  # a digit and a comma for each, and two brackets
        self._low, self._high = np.tile(low, most_rows), np.tile(high, most_rows)

    def read(self, body: bytes, max_rows: int) -> list[Matrix] | None:
        """The rows of a batch, in order, in one array per chunk.

        None says nothing about the body but that it is to be read by ``server.schema``.
        """
        opening, end = OPENING.match(body), _end_of_rows(body)
        if opening is None or end is None:
            return None
        found: list[Matrix] = []
        start, room = opening.end(), max_rows
        while True:
            cut = body.find(b"]", start + self._chunk_bytes, end) + 1 or end
            rows = self._chunk(body[start:cut]) if cut - start <= MOST_CHUNK_BYTES else None
            if rows is None or len(rows) > room:
                return None
            found.append(rows)
            room -= len(rows)
            if cut == end:
                return found
            comma = COMMA.match(body, cut, end)
            if comma is None:
                return None
            start = comma.end()

    def _chunk(self, text: bytes) -> Matrix | None:
        """Whole rows, with commas between them."""
        frame = text.translate(None, self._numbers)
        rows = (len(frame) + 1) // len(self._row)
        if frame != (self._row * rows)[:-1]:  # the parser forgets which number was in which row
            return None
        filled = text.replace(b"null", MISSING) if b"n" in text else text
        nulls = (len(filled) - len(text)) // (len(MISSING) - len(b"null"))
        values = _parse(b"[%b]" % filled)
        if values is None or len(values) != rows * self._width:  # a row of one may hold none
            return None
        if nulls and not self._mark_missing(values.reshape(-1, self._width), nulls):
            return None
        outside = (values < self._low[: len(values)]) | (values > self._high[: len(values)])
        return None if np.count_nonzero(outside) else values.reshape(-1, self._width)

    def _mark_missing(self, rows: Matrix, nulls: int) -> bool:
        """Put NaN for every null. False if one may not be missing, or somebody sends the number itself."""
        missing = rows == float(MISSING)
        if np.count_nonzero(missing) != nulls or (missing & self._required).any():
            return False
        rows[missing] = nan
        return True


def _end_of_rows(body: bytes) -> int | None:
    """Where the last row ends, if nothing comes after the rows but the end of the batch."""
    end = body.rfind(b"]", 0, max(body.rfind(b"]"), 0)) + 1
    return end if CLOSING.fullmatch(body, end) else None


_idle: list[Parser] = []
"""As many as threads ever parsed at once: a parser belongs to one until its numbers are copied."""


def _parse(text: bytes) -> Matrix | None:
    """The numbers of an array of arrays, ``(n,) float64``; None if anything in it is no number."""
    try:
        parser = _idle.pop()  # one step for the interpreter: no two threads get the same
    except IndexError:
        parser = Parser()
    try:
        copied = cast(Array, parser.parse(text)).as_buffer(of_type="d")
    except REFUSALS:
        return None
    finally:
        _idle.append(parser)
    return np.frombuffer(copied, np.float64)
