"""What a request says: its JSON, and the bytes of tensors behind it."""

from __future__ import annotations

from typing import Any

import msgspec

from server.errors import MalformedBody
from server.v2.refusal import refuse

MAX_TENSORS = 4096
"""Inputs or outputs of one request."""
MAX_RANK = 8
MAX_HEADER_DIGITS = 18
HEADER_LENGTH = "Inference-Header-Content-Length"
NOTHING = msgspec.Raw(b"")
Parameters = dict[str, str | int | float | bool | None]


class Input(msgspec.Struct, frozen=True):
    """A tensor that is given. What the protocol does not know is ignored: clients add fields of their own."""

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
    """A request. Some clients send null for what they leave out."""

    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] | None = None
    id: str | None = None
    parameters: Parameters | None = None


decode = msgspec.json.Decoder(Inference).decode


def parse(text: bytes) -> Inference:
    """The JSON of a request.

    Raises:
        MalformedBody: it is no JSON; a number that JSON has no word for is none either.
        InvalidValues: it is no request of the protocol.
    """
    try:
        request = decode(text)
    except msgspec.ValidationError as error:
        raise refuse(f"the request is not one of the protocol: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(
            f"the request is not JSON: {error}; NaN and Infinity are none, null is a missing number"
        ) from None
    if len(request.inputs) > MAX_TENSORS or len(request.outputs or ()) > MAX_TENSORS:
        raise refuse(f"expected at most {MAX_TENSORS} inputs and outputs")
    return request


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
