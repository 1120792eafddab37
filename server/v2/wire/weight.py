"""How much of a protobuf message is to be made objects of, looked at before it is parsed.

A parser keeps every other thread out, and makes an object of two bytes. So the fields of a request are
counted first, by their tags alone (https://protobuf.dev/programming-guides/encoding/); the elements of the
tensors are passed by: they are as many as the body is long, and are what the request is for.
"""

from __future__ import annotations

from collections.abc import Iterator

from server.errors import MalformedBody
from server.v2.message import MAX_PARAMETER_BYTES, MAX_SHAPE_BYTES, MAX_TENSORS
from server.v2.refusal import refuse

MAX_FIELDS = 12 * MAX_TENSORS
"""Of a request and of its inputs and outputs: as many as these have, and some."""
PARAMETERS, INPUTS, OUTPUTS = 4, 5, 6
SHAPE, OWN_PARAMETERS, CONTENTS, OUTPUT_PARAMETERS = 3, 4, 5, 2
VARINT, LENGTH = 0, 2
FIXED_BYTES = {1: 8, 5: 4}
MAX_VARINT_BYTES = 10

Field = tuple[int, int, int]
"""(number, where its bytes begin, where they end); a number by itself has none."""


def check_weight(body: bytes) -> None:
    """Let a ``ModelInferRequest`` pass that is no heavier than its tensors.

    Raises:
        InvalidValues: it has too many fields, or a field that is too long for what it is.
        MalformedBody: it is no message.
    """
    count = 0
    for number, start, end in fields(body, 0, len(body)):
        count += 1
        if number == PARAMETERS:
            _check_length("parameters", start, end, MAX_PARAMETER_BYTES)
        if number in (INPUTS, OUTPUTS):
            count += _parts(body, number, start, end, MAX_FIELDS - count)
        if count > MAX_FIELDS:
            raise refuse(f"expected at most {MAX_FIELDS} fields in a request")


def _parts(body: bytes, kind: int, start: int, end: int, most: int) -> int:
    """How many fields a tensor has; no more than one beyond ``most`` are counted."""
    count = 0
    for number, begin, stop in fields(body, start, end):
        count += 1
        if count > most:
            break
        if kind == INPUTS and number == SHAPE:
            _check_length("shape", begin, stop, MAX_SHAPE_BYTES)
        if number == (OWN_PARAMETERS if kind == INPUTS else OUTPUT_PARAMETERS):
            _check_length("parameters", begin, stop, MAX_PARAMETER_BYTES)
    return count


def _check_length(what: str, start: int, end: int, most: int) -> None:
    if end - start > most:
        raise refuse(f"{what}: expected at most {most} bytes, came {end - start}")


def fields(body: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of the message in ``body[at:end]``, one after the other.

    Raises:
        MalformedBody: they do not end where the message does, or are of a kind that nobody sends any more.
    """
    while at < end:
        tag, at = _varint(body, at, end)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(body, at, end)
            start = at
        elif kind == LENGTH:
            size, start = _varint(body, at, end)
            at = start + size
        elif kind in FIXED_BYTES:
            start = at = at + FIXED_BYTES[kind]
        else:
            raise _broken()
        if at > end:
            raise _broken()
        yield tag >> 3, start, at


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for place in range(MAX_VARINT_BYTES):
        if at >= end:
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at
    raise _broken()


def _broken() -> MalformedBody:
    return MalformedBody("the request is no ModelInferRequest")
