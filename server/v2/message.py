"""What a request says: its JSON, and the bytes of tensors behind it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from server.errors import InvalidValues, MalformedBody
from server.v2.refusal import refuse

MAX_TENSORS = 4096
"""Inputs or outputs of one request."""
MAX_RANK = 8
MAX_OBJECTS = 4 * MAX_TENSORS + 2
"""In the JSON of a request: inputs and outputs, each with parameters. A call of a decoder keeps every other
thread out: what it makes of a body is bounded before it is called."""
WINDOW_BYTES = 64 << 10
"""Of the JSON that are searched together, in about 0.3 ms."""
MAX_SHAPE_BYTES = 256
MAX_PARAMETER_BYTES = 8 << 10
"""Of one tensor, or of the request."""
MAX_HEADER_DIGITS = 18
HEADER_LENGTH = "Inference-Header-Content-Length"
NOTHING = msgspec.Raw(b"")
Parameters = dict[str, str | int | float | bool | None]


class Input(msgspec.Struct, frozen=True):
    """A tensor that is given."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: Parameters | None = None
    data: msgspec.Raw = NOTHING


class Output(msgspec.Struct, frozen=True):
    """A tensor that is asked for."""

    name: str
    parameters: Parameters | None = None


class Inference(msgspec.Struct, frozen=True):
    """A request."""

    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] | None = None
    id: str | None = None
    parameters: Parameters | None = None


class _Given(msgspec.Struct, frozen=True):
    """An input as JSON. What the protocol does not know is ignored: clients add fields of their own."""

    name: str
    shape: msgspec.Raw
    datatype: str
    parameters: msgspec.Raw = NOTHING
    data: msgspec.Raw = NOTHING


class _Wanted(msgspec.Struct, frozen=True):
    """An output as JSON."""

    name: str
    parameters: msgspec.Raw = NOTHING


class _Request(msgspec.Struct, frozen=True):
    """A request as JSON: what may be long is not looked into. Some clients send null for what they omit."""

    inputs: tuple[_Given, ...] = ()
    outputs: tuple[_Wanted, ...] | None = None
    id: str | None = None
    parameters: msgspec.Raw = NOTHING


_OBJECT = re.compile(rb'\{\s*"')
_decode = msgspec.json.Decoder(_Request).decode
_decode_shape = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_parameters = msgspec.json.Decoder(Parameters | None).decode


def parse(text: bytes) -> Inference:
    """The JSON of a request.

    Raises:
        MalformedBody: it is no JSON; a number that JSON has no word for is none either.
        InvalidValues: it is no request of the protocol.
    """
    if _too_many_objects(text):
        raise refuse(f"expected at most {MAX_OBJECTS} objects in the JSON of a request")
    try:
        request = _decode(text)
        if len(request.inputs) > MAX_TENSORS or len(request.outputs or ()) > MAX_TENSORS:
            raise refuse(f"expected at most {MAX_TENSORS} inputs and outputs")
        return Inference(
            tuple([_input(given) for given in request.inputs]),
            None if request.outputs is None else tuple([_output(wanted) for wanted in request.outputs]),
            request.id,
            _parameters(request.parameters),
        )
    except msgspec.ValidationError as error:
        raise _foreign(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(
            f"the request is not JSON: {error}; NaN and Infinity are none, null is a missing number"
        ) from None


def _too_many_objects(text: bytes) -> bool:
    """Braces that begin no object are in strings; one that ends with a brace counts as an object, too."""
    if text.count(b"{") <= MAX_OBJECTS:
        return False
    found = 0
    for start in range(
        0, len(text), WINDOW_BYTES
    ):  # one that begins in a window and ends in the next is not seen
        found += len(_OBJECT.findall(text, start, start + WINDOW_BYTES))
        if found > MAX_OBJECTS:
            return True
    return False


def _input(given: _Given) -> Input:
    where, size = f"input {given.name[:80]!r}: ", memoryview(given.shape).nbytes
    if size > MAX_SHAPE_BYTES:
        raise refuse(
            f"{where}shape: expected up to {MAX_RANK} sizes in {MAX_SHAPE_BYTES} bytes, came {size} bytes"
        )
    try:
        shape = _decode_shape(given.shape)
    except msgspec.ValidationError as error:
        raise _foreign(error, f"{where}shape: ") from None
    return Input(given.name, shape, given.datatype, _parameters(given.parameters, where), given.data)


def _foreign(error: msgspec.ValidationError, where: str = "") -> InvalidValues:
    return refuse(f"the request is not one of the protocol: {where}{error}")


def _output(wanted: _Wanted) -> Output:
    return Output(wanted.name, _parameters(wanted.parameters, f"output {wanted.name[:80]!r}: "))


def _parameters(given: msgspec.Raw, where: str = "") -> Parameters | None:
    size = memoryview(given).nbytes
    if size > MAX_PARAMETER_BYTES:
        raise refuse(f"{where}parameters: expected at most {MAX_PARAMETER_BYTES} bytes, came {size}")
    try:
        return _decode_parameters(given) if size else None
    except msgspec.ValidationError as error:
        raise _foreign(error, f"{where}parameters: ") from None


def split(body: bytes, header_length: str | None) -> tuple[bytes, memoryview | None]:
    """JSON and the bytes behind it. The header decides, never the content type.

    Returns:
        (JSON, tensor bytes); None: there was no header, so there are none.

    Raises:
        InvalidValues: the header is no length of a beginning of the body.
    """
    if header_length is None:
        return body, None
    sound = header_length.isascii() and header_length.isdigit() and len(header_length) <= MAX_HEADER_DIGITS
    if not sound:
        raise refuse(f"{HEADER_LENGTH}: expected a whole number of bytes, came {header_length[:40]!r}")
    length = int(header_length)
    if length > len(body):
        raise refuse(f"{HEADER_LENGTH}: expected at most the {len(body)} bytes of the body, came {length}")
    return body[:length], memoryview(body)[length:]


def flag(parameters: Parameters | None, name: str, default: bool) -> bool:
    """A parameter that is true or false.

    Raises:
        InvalidValues: it is something else.
    """
    value = (parameters or {}).get(name, default)
    if not isinstance(value, bool):
        raise refuse(f"parameter {name}: expected true or false, came {str(value)[:40]!r}")
    return value


def whole(parameters: Parameters | None, name: str) -> int | None:
    """A parameter that is a count; None: it is not given.

    Raises:
        InvalidValues: it is something else.
    """
    value: Any = (parameters or {}).get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse(f"parameter {name}: expected a whole number, came {str(value)[:40]!r}")
    return value
