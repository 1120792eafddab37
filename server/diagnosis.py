"""Tells a caller what is wrong with a body that the decoder refused: every mistake, by name.

Only refused bodies come here, so it may take its time. The rules are the schema's own types, applied value by
value; this module finds and words the faults, it never decides that a body is right.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

import msgspec

from registry.manifest import Feature
from server.errors import Fault, InvalidValues, MalformedBody, RequestError
from server.schema import Schema, bounds, feature_type

MAX_FAULTS = 20
"""A caller mends the first few; a million-row batch may hold a million."""
MAX_SHOWN = 40
"""Characters of a refused value or name that are shown."""
REFUSALS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises for a body that it refuses."""


def diagnose_row(schema: Schema, body: bytes, refusal: Exception) -> RequestError:
    """What is wrong with the body of a single-row request."""
    return _diagnose(body, refusal, lambda value: _row_faults(schema, value, "", arrays=False))


def diagnose_batch(schema: Schema, body: bytes, refusal: Exception) -> RequestError:
    """What is wrong with the body of a batch request."""
    return _diagnose(body, refusal, lambda value: _batch_faults(schema, value))


def _diagnose(body: bytes, refusal: Exception, find: Any) -> RequestError:
    strangers: list[str] = []
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=lambda name: _note(strangers, name), parse_int=_whole)
    except RecursionError:
        return MalformedBody("expected a JSON object, came JSON that is nested too deeply")
    except UnicodeDecodeError as error:
        return MalformedBody(f"expected JSON in UTF-8, came an invalid byte at position {error.start}")
    except ValueError as error:
        return MalformedBody(f"expected JSON, came something else: {_syntax(body) or _plain(error)}")
    faults = find(value)
    if strangers and not faults:
        return MalformedBody(f"expected JSON, came {strangers[0]}, which JSON does not have")
    return InvalidValues(faults or [Fault("", f"the body is refused: {_plain(refusal)}")])


def _batch_faults(schema: Schema, value: Any) -> list[Fault]:
    if not isinstance(value, dict):
        return [Fault("", f"expected an object with the key 'instances', came {_kind(value)}")]
    faults = [
        Fault(f"/{_escape(name)}", f"unexpected key {_show(name)}; expected only 'instances'")
        for name in value
        if name != "instances"
    ]
    if "instances" not in value:
        return [*faults, Fault("/instances", "missing 'instances': expected an array of rows")][:MAX_FAULTS]
    rows = value["instances"]
    if not isinstance(rows, list):
        return [*faults, Fault("/instances", f"'instances': expected an array of rows, came {_kind(rows)}")]
    for index, row in enumerate(rows):
        faults += _row_faults(schema, row, f"/instances/{index}", arrays=True)
        if len(faults) >= MAX_FAULTS:
            break
    return faults[:MAX_FAULTS]


def _row_faults(schema: Schema, value: Any, at: str, arrays: bool) -> list[Fault]:
    features = schema.signature.features
    row = f"row {at.rpartition('/')[2]}: " if at else ""
    if arrays and isinstance(value, list):
        if len(value) != len(features):
            names = ", ".join(schema.signature.names[:MAX_FAULTS])
            return [Fault(at, f"{row}expected {len(features)} values ({names}), came {len(value)}")]
        pairs = zip(features, value, range(len(value)), strict=True)
        return [
            fault
            for feature, item, index in pairs
            for fault in _value_faults(feature, item, f"{at}/{index}", row)
        ]
    if not isinstance(value, dict):
        wanted = "an array or an object" if arrays else "an object"
        return [Fault(at, f"{row}expected {wanted} with {len(features)} features, came {_kind(value)}")]
    faults = []
    for feature in features:
        where = f"{at}/{_escape(feature.name)}"
        if feature.name in value:
            faults += _value_faults(feature, value[feature.name], where, row)
        else:
            faults.append(
                Fault(where, f"{row}missing feature {feature.name!r}: expected {_expected(feature)}")
            )
    known = set(schema.signature.names)
    faults += [_extra(name, at, row, schema) for name in value if name not in known]
    return faults[:MAX_FAULTS]


def _value_faults(feature: Feature, value: Any, where: str, row: str) -> list[Fault]:
    try:
        msgspec.convert(value, feature_type(feature))
    except msgspec.ValidationError:
        pass
    else:
        # msgspec has no literal for these, and a bound lets NaN pass
        if not isinstance(value, float) or value - value == 0:
            return []
    return [Fault(where, f"{row}{feature.name}: expected {_expected(feature)}, came {_show(value)}")]


def _expected(feature: Feature) -> str:
    null = " or null" if feature.may_be_missing else ""
    if feature.dtype == "string":
        return f"one of {', '.join(map(repr, feature.categories))}" if feature.categories else "a string"
    low, high = bounds(feature)
    unit = f" {feature.unit}" if feature.unit else ""
    noun = "a whole number" if feature.dtype == "int64" else "a number"
    if feature.minimum is None and feature.maximum is None:
        return f"{noun} that fits {feature.dtype}{null}"
    return f"{noun} from {low:g} to {high:g}{unit}{null}"


def _extra(name: str, at: str, row: str, schema: Schema) -> Fault:
    near = difflib.get_close_matches(name[:MAX_SHOWN], schema.signature.names, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"expected only {', '.join(schema.signature.names[:MAX_FAULTS])}"
    )
    return Fault(f"{at}/{_escape(name[:MAX_SHOWN])}", f"{row}unexpected feature {_show(name)}; {hint}")


def _note(strangers: list[str], name: str) -> float:
    """NaN, Infinity or -Infinity: not JSON, but worth naming where it stands."""
    strangers.append(name)
    return float(name)


def _whole(digits: str) -> int | float:
    """Integers without the interpreter's limit on digits, which is an error of its own."""
    return int(digits) if len(digits) < 400 else float(digits)


def _syntax(body: bytes) -> str:
    """Where the scanner that refused the body stopped, in bytes."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.MsgspecError as refusal:
        return _plain(refusal)
    return ""


def _plain(error: Exception) -> str:
    """A decoder's message without its own name for the place."""
    return str(error).replace("JSON is malformed: ", "").replace("`", "'")[:200]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _show(value: Any) -> str:
    """A refused value, short and on one line."""
    if isinstance(value, dict | list):
        return _kind(value)
    if isinstance(value, float) and value - value != 0:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _escape(name: str) -> str:
    """A key as a JSON pointer's token (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")
