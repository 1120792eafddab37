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

LIGHT_BYTES = 16 << 10
"""What is not longer cannot be heavy: it is parsed in less than a millisecond."""
MAX_PARTS = 64
"""Fields of one tensor, those of its elements apart."""
PARAMETERS, INPUTS, OUTPUTS, RAW = 4, 5, 6, 7
MOST = {PARAMETERS: MAX_PARTS, INPUTS: MAX_TENSORS, OUTPUTS: MAX_TENSORS, RAW: MAX_TENSORS}
WORDS = {PARAMETERS: "parameters", INPUTS: "inputs", OUTPUTS: "outputs", RAW: "raw_input_contents"}
SHAPE, OWN_PARAMETERS, OUTPUT_PARAMETERS = 3, 4, 2
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
    if len(body) <= LIGHT_BYTES:
        return
    counts = dict.fromkeys(MOST, 0)
    others = 0
    for number, start, end in fields(body, 0, len(body)):
        if number not in MOST:
            others += 1
            if others > MAX_PARTS:
                raise refuse(f"expected at most {MAX_PARTS} fields beside the tensors of a request")
            continue
        counts[number] += 1
        if counts[number] > MOST[number]:
            raise refuse(f"expected at most {MOST[number]} {WORDS[number]}")
        if number == PARAMETERS:
            _check_length("parameters", start, end, MAX_PARAMETER_BYTES)
        if number in (INPUTS, OUTPUTS):
            _check_parts(body, number, start, end)


def _check_parts(body: bytes, kind: int, start: int, end: int) -> None:
    for count, (number, begin, stop) in enumerate(fields(body, start, end)):
        if count == MAX_PARTS:
            raise refuse(f"expected at most {MAX_PARTS} fields in one of the {WORDS[kind]}")
        if kind == INPUTS and number == SHAPE:
            _check_length("shape", begin, stop, MAX_SHAPE_BYTES)
        if number == (OWN_PARAMETERS if kind == INPUTS else OUTPUT_PARAMETERS):
            _check_length("parameters", begin, stop, MAX_PARAMETER_BYTES)


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
            raise _broken(": it holds a group, or what is no field")
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


def _broken(why: str = "") -> MalformedBody:
    return MalformedBody(f"the request is no ModelInferRequest{why}")
