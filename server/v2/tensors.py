"""Tensors of a request as arrays: from JSON, flat or nested, and from bytes."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.schema import REFUSALS
from server.v2.datatypes import BYTES, NUMPY
from server.v2.message import MAX_RANK, Input, whole
from server.v2.refusal import refuse

LENGTH = struct.Struct("<I")
"""Before each string."""
PIECE_BYTES = 32 << 10
"""Of JSON that are decoded together, in about 0.2 ms."""
WORD_OR_END = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\]', re.DOTALL)
"""A string, or the end of a row. It never goes back, and so it needs no memory for where it could."""
MOST_ROW_BYTES = 64 << 10
NUMBER_BYTES = 64
"""A row of numbers is no longer than this for each of them, or than the above, with all its blanks."""
TAKES: dict[str, tuple[type, ...]] = {
    **{name: (int,) for name, dtype in NUMPY.items() if dtype.kind in "iu"},
    **{name: (float, int, type(None)) for name, dtype in NUMPY.items() if dtype.kind == "f"},
    "BOOL": (bool,),
    BYTES: (str,),
}
"""JSON values of each datatype; not ``isinstance``, because to Python a truth value is an integer."""


def elements(given: Input, most: int) -> int:
    """How many the shape has, worked out before anything is allocated.

    Raises:
        InvalidValues: a dimension is negative, or there are more than ``most`` elements.
    """
    if len(given.shape) > MAX_RANK or any(size < 0 for size in given.shape):
        raise refuse(
            f"input {given.name!r}: expected up to {MAX_RANK} sizes of 0 or more, came {_shape(given)}"
        )
    count = math.prod(given.shape)
    if count > most:
        raise refuse(f"input {given.name!r}: expected at most {most} elements, came shape {_shape(given)}")
    return count


def read(given: Input, count: int, behind: Behind | None) -> NDArray[Any]:
    """The elements of an input, ``(count,)`` of its datatype; strings are ``object``.

    Args:
        given: of a known datatype.
        count: by its shape.
        behind: the bytes behind the JSON.

    Raises:
        InvalidValues: they are not what shape and datatype say.
    """
    size = whole(given.parameters, "binary_data_size")
    if size is None:
        if not memoryview(given.data).nbytes:
            raise refuse(f"input {given.name!r}: expected data, or binary_data_size; came neither")
        return _from_json(given, count)
    if memoryview(given.data).nbytes:
        raise refuse(f"input {given.name!r}: expected data or binary_data_size, came both")
    if behind is None:
        raise refuse(f"input {given.name!r}: binary_data_size without the header that says where it begins")
    return from_bytes(given, count, behind.take(given.name, size))


class Behind:
    """The bytes behind the JSON of a request, taken in the order of the inputs."""

    def __init__(self, left: memoryview) -> None:
        """All of them."""
        self._left = left

    def take(self, name: str, size: int) -> memoryview:
        """The next ``size`` bytes.

        Raises:
            InvalidValues: there are not so many.
        """
        if size > len(self._left):
            raise refuse(f"input {name!r}: expected {size} bytes of binary data, {len(self._left)} are left")
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def end(self) -> None:
        """Nothing may be left.

        Raises:
            InvalidValues
        """
        if len(self._left):
            raise refuse(f"unexpected additional input data: {len(self._left)} bytes behind the last input")


class Apart(Behind):
    """The bytes of each input by itself, in the order of the inputs."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        """As many as there are inputs."""
        self._parts = iter(parts)

    def take(self, name: str, size: int) -> memoryview:
        """The next part, which has ``size`` bytes."""
        return memoryview(next(self._parts))

    def end(self) -> None:
        """Nothing can be left: there are as many as inputs."""


def from_bytes(given: Input, count: int, data: memoryview) -> NDArray[Any]:
    """Elements in the protocol's binary form; numbers that are aligned are not copied.

    Raises:
        InvalidValues: there are more or fewer than the shape says.
    """
    if given.datatype == BYTES:
        return _strings(given, count, data)
    dtype = NUMPY[given.datatype]
    if len(data) != count * dtype.itemsize:
        raise refuse(
            f"input {given.name!r}: expected {count * dtype.itemsize} bytes for shape {_shape(given)} of "
            f"{given.datatype}, came {len(data)}"
        )
    if given.datatype == "BOOL" and count and max(data) > 1:
        raise refuse(f"input {given.name!r}: expected a byte of 0 or 1 for each BOOL")
    values = np.frombuffer(data, dtype)
    return values if values.flags.aligned else values.copy()  # it begins wherever the JSON ended


def _strings(given: Input, count: int, data: memoryview) -> NDArray[Any]:
    """A length of four bytes before each."""
    found: list[str] = []
    at = 0
    while at < len(data) and len(found) <= count:
        if at + LENGTH.size > len(data):
            raise refuse(f"input {given.name!r}: the last length is cut off")
        (size,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if at + size > len(data):
            raise refuse(f"input {given.name!r}: an element of {size} bytes, but {len(data) - at} are left")
        try:
            found.append(bytes(data[at : at + size]).decode())
        except UnicodeDecodeError:
            raise refuse(f"input {given.name!r}: element {len(found)} is no UTF-8") from None
        at += size
    if len(found) != count:
        came = f"more than {count}" if len(found) > count else str(len(found))
        raise refuse(
            f"input {given.name!r}: expected {count} elements for shape {_shape(given)}, came {came}"
        )
    return _objects(found)


def _from_json(given: Input, count: int) -> NDArray[Any]:
    """Nested as the shape is, or flat. ``null`` is a missing number, NaN.

    Long data is decoded in pieces: one call keeps every other thread out.
    """
    if given.datatype == "FP16":
        raise refuse(f"input {given.name!r}: FP16 has no form in JSON; send it as binary data, or as FP32")
    parts, total = [], 0
    for values in _pieces(given):
        total += len(values)
        if total > count:
            break
        parts.append(_array(given, values, total - len(values)))
    if total != count:
        came = f"more than {count}" if total > count else str(total)
        raise refuse(
            f"input {given.name!r}: expected {count} elements for shape {_shape(given)}, came {came}"
        )
    return np.concatenate(parts) if parts else np.empty(0, NUMPY.get(given.datatype, object))


def _pieces(given: Input) -> Iterator[list[Any]]:
    """The elements, in lists of a few thousand."""
    raw = bytes(given.data).strip()
    if raw[:1] != b"[":
        raise refuse(
            f"input {given.name!r}: data: expected an array, came {raw[:40].decode('utf-8', 'replace')}"
        )
    nested = raw[1:64].lstrip()[:1] == b"["
    if len(raw) <= PIECE_BYTES or len(given.shape) > 2:
        cuts = iter([(1, len(raw) - 1)])
    elif given.datatype == BYTES:
        cuts = _cuts_of_words(given, raw, nested)
    else:
        cuts = _cuts(given, raw, b"]" if nested else b",")
    seen = 0
    for start, end in cuts:
        values = _decoded(given, b"[%b]" % raw[start:end])
        if nested:
            seen += len(values)
            values = [value for part in values for value in _flattened(given, part, given.shape[1:])]
        yield values
    if nested and seen != given.shape[0]:
        raise _nested_otherwise(given)


def _decoded(given: Input, piece: bytes) -> list[Any]:
    """Sound JSON may still hold a number that nobody can, or bytes that are no text; and a piece of what is
    nested otherwise than the shape is no JSON."""
    try:
        values: list[Any] = msgspec.json.decode(piece)
    except REFUSALS:
        raise refuse(
            f"input {given.name!r}: data: expected elements of {given.datatype} nested as shape "
            f"{_shape(given)} says, or flat"
        ) from None
    return values


def _cuts(given: Input, raw: bytes, closer: bytes) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end, each after a row or before a comma. ``raw`` is a sound array."""
    start, last = 1, len(raw) - 1
    most = PIECE_BYTES + max(MOST_ROW_BYTES, NUMBER_BYTES * math.prod(given.shape[1:]))
    while start < last:
        end = raw.find(closer, start + PIECE_BYTES, start + most)
        if end < 0 and last - start > most:
            raise _nested_otherwise(given)
        if end < 0 or end >= last:
            yield start, last
            return
        end += closer == b"]"
        yield start, end
        start = raw.index(b",", end, last) + 1 if raw.find(b",", end, last) >= 0 else last


def _cuts_of_words(given: Input, raw: bytes, nested: bool) -> Iterator[tuple[int, int]]:
    """The same for strings, which may hold commas and brackets: each is passed by as a whole."""
    start, last = 1, len(raw) - 1
    width, in_row = math.prod(given.shape[1:]), 0
    for found in WORD_OR_END.finditer(raw, start, last):
        end = found.end()
        in_row = 0 if found[0] == b"]" else in_row + 1
        if nested and in_row > width:
            raise _nested_otherwise(given)
        if end - start < PIECE_BYTES or (found[0] != b"]" if nested else found[0] == b"]"):
            continue
        yield start, end
        comma = raw.find(b",", end, last)
        start = comma + 1 if comma >= 0 else last
    if start < last:
        yield start, last


def _array(given: Input, values: list[Any], start: int) -> NDArray[Any]:
    takes = TAKES[given.datatype]
    for index, value in enumerate(values, start):
        if type(value) not in takes:
            raise refuse(
                f"input {given.name!r}: element {index}: expected {given.datatype}, came {_shown(value)}"
            )
    try:
        return _objects(values) if given.datatype == BYTES else _numbers(given, values)
    except OverflowError:
        raise refuse(f"input {given.name!r}: a number is outside of {given.datatype}") from None


def _objects(values: list[Any]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _numbers(given: Input, values: list[Any]) -> NDArray[Any]:
    dtype = NUMPY[given.datatype]
    if dtype.kind in "iu" and values:  # numpy would wrap around
        limits = np.iinfo(dtype.name)
        if min(values) < limits.min or max(values) > limits.max:
            raise OverflowError
    if given.datatype != "FP32":
        return np.array(values, dtype)
    wide = np.array(values, np.float64)  # rounded once from there, as a native request's numbers are
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    if np.isinf(narrow).any():
        raise OverflowError
    return narrow


def _flattened(given: Input, data: Any, shape: tuple[int, ...]) -> list[Any]:
    if not isinstance(data, list) or not shape or len(data) != shape[0]:
        raise _nested_otherwise(given)
    if len(shape) == 1:
        return data
    return [value for part in data for value in _flattened(given, part, shape[1:])]


def _nested_otherwise(given: Input) -> Exception:
    return refuse(f"input {given.name!r}: data is not nested as shape {_shape(given)} says")


def _shape(given: Input) -> str:
    return str(list(given.shape[:MAX_RANK]))


def _shown(value: Any) -> str:
    return msgspec.json.encode(value)[:40].decode("utf-8", "replace")
