"""Tells a caller what is wrong with a body that the decoder refused: every mistake, by name.

Only refused bodies come here. It still has to be quick, because a caller may send them on purpose: it stops
at ``MAX_FAULTS``, and a body over ``MAX_READ_BYTES`` is not read again but told the decoder's complaint. The
rules are the schema's own types, applied value by value; this module finds and words the faults, it never
decides that a body is right.
"""

from __future__ import annotations

import difflib
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import Any

import msgspec

from registry.manifest import Feature
from server.errors import Fault, InvalidValues, MalformedBody, RequestError
from server.schema import BadSlice, Schema, bounds

MAX_FAULTS = 20
"""A caller mends the first few; a batch may hold thousands."""
MAX_READ_BYTES = 64 << 10
MAX_SHOWN = 40
"""Characters of a refused value or name that are shown."""

Faults = Iterator[Fault]


def diagnose_row(schema: Schema, body: bytes, refusal: Exception) -> RequestError:
    """What is wrong with the body of a single-row request."""
    return _diagnose(body, refusal, lambda value: _row_faults(schema, value, "", arrays=False))


def diagnose_envelope(schema: Schema, body: bytes, refusal: Exception) -> RequestError:
    """What is wrong with a batch whose rows could not even be told apart."""
    return _diagnose(body, refusal, lambda value: _batch_faults(schema, value))


def diagnose_slice(schema: Schema, bad: BadSlice) -> RequestError:
    """What is wrong with the rows of a batch, from the first bad one on."""
    place = re.search(r"\$\[(\d+)\]", str(bad.refusal))
    skipped = int(place[1]) if place else 0
    first = bad.start + skipped

    def find(rows: Any) -> Faults:
        for index, row in enumerate(rows, first):
            yield from _row_faults(schema, row, f"/instances/{index}", arrays=True)

    return _diagnose(_first(bad.rows[skipped:]), bad.refusal, find, f"/instances/{first}")


def _first(rows: list[msgspec.Raw]) -> bytes:
    """As many as are read again, at least one, as a JSON array. The machine decides how long a slice is."""
    ends = accumulate(len(row) + 1 for row in rows)  # with a comma or a bracket
    fit = bisect_right(list(ends), MAX_READ_BYTES - 1)
    return b"[%b]" % b",".join(rows[: max(fit, 1)])


def _diagnose(
    body: bytes, refusal: Exception, find: Callable[[Any], Faults], where: str = ""
) -> RequestError:
    malformed = _scan(body)
    if len(body) > MAX_READ_BYTES:
        return malformed or InvalidValues([_complaint(refusal, where)])
    try:
        value = json.loads(
            body.decode("utf-8"), parse_int=_whole
        )  # takes NaN and Infinity, to name their place
    except UnicodeDecodeError as error:
        return MalformedBody(f"expected JSON in UTF-8, came an invalid byte at position {error.start}")
    except (ValueError, RecursionError):
        return malformed or MalformedBody("expected JSON, came a text that is not")
    faults = list(islice(find(value), MAX_FAULTS))
    return (malformed if not faults else None) or InvalidValues(faults or [_complaint(refusal, where)])


def _scan(body: bytes) -> MalformedBody | None:
    """Why it is not JSON, if it is not, and where, in bytes."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except RecursionError:
        return MalformedBody("expected JSON, came JSON that is nested too deeply")
    except msgspec.MsgspecError as error:
        return MalformedBody(f"expected JSON, came something else: {_plain(error)}")
    return None


def _complaint(refusal: Exception, where: str) -> Fault:
    """The decoder's own first complaint."""
    place = re.search(r"at `\$(?:\[\d+\])?\.(\w+)`$", str(refusal))
    return Fault(f"{where}/{place[1]}" if place else where, f"the body is refused: {_plain(refusal)}")


def _batch_faults(schema: Schema, value: Any) -> Faults:
    if not isinstance(value, dict):
        yield Fault("", f"expected an object with the key 'instances', came {_kind(value)}")
        return
    for name in value:
        if name != "instances":
            detail = f"unexpected key {_show(name)}; expected only 'instances'"
            yield Fault(f"/{_escape(name[:MAX_SHOWN])}", detail)
    rows = value.get("instances")
    if "instances" not in value:
        yield Fault("/instances", "missing 'instances': expected an array of rows")
    elif not isinstance(rows, list):
        yield Fault("/instances", f"'instances': expected an array of rows, came {_kind(rows)}")
    else:
        for index, row in enumerate(rows):
            yield from _row_faults(schema, row, f"/instances/{index}", arrays=True)


def _row_faults(schema: Schema, value: Any, at: str, arrays: bool) -> Faults:
    features = schema.signature.features
    row = f"row {at.rpartition('/')[2]}: " if at else ""
    if arrays and isinstance(value, list):
        if len(value) != len(features):
            names = ", ".join(schema.signature.names[:MAX_FAULTS])
            yield Fault(at, f"{row}expected {len(features)} values ({names}), came {len(value)}")
            return
        for index, feature in enumerate(features):
            yield from _value_faults(feature, schema.types[index], value[index], f"{at}/{index}", row)
        return
    if not isinstance(value, dict):
        wanted = "an array or an object" if arrays else "an object"
        yield Fault(at, f"{row}expected {wanted} with {len(features)} features, came {_kind(value)}")
        return
    for index, feature in enumerate(features):
        where = f"{at}/{_escape(feature.name)}"
        if feature.name in value:
            yield from _value_faults(feature, schema.types[index], value[feature.name], where, row)
        else:
            yield Fault(where, f"{row}missing feature {feature.name!r}: expected {_expected(feature)}")
    known = set(schema.signature.names)
    for name in value:
        if name not in known:
            yield _extra(name, at, row, schema)


def _value_faults(feature: Feature, kind: Any, value: Any, where: str, row: str) -> Faults:
    try:
        msgspec.convert(value, kind)
        _ = value.encode() if isinstance(value, str) else None
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half a character
        pass
    else:
        # JSON has no NaN and no infinity; what stands for them here must not pass for a number
        if not isinstance(value, float) or value - value == 0:
            return
    yield Fault(where, f"{row}{feature.name}: expected {_expected(feature)}, came {_show(value)}")


def _expected(feature: Feature) -> str:
    null = " or null" if feature.may_be_missing else ""
    if feature.dtype == "string":
        return f"one of {', '.join(map(repr, feature.categories))}" if feature.categories else "a string"
    low, high = bounds(feature)
    unit = f" {feature.unit}" if feature.unit else ""
    noun = "an integer, written without a point," if feature.dtype == "int64" else "a number"
    if feature.minimum is None and feature.maximum is None:
        return f"{noun} that fits {feature.dtype}{null}"
    return f"{noun} from {low:g} to {high:g}{unit}{null}"


def _extra(name: str, at: str, row: str, schema: Schema) -> Fault:
    near = difflib.get_close_matches(name[:MAX_SHOWN], schema.signature.names, n=1)
    known = ", ".join(schema.signature.names[:MAX_FAULTS])
    hint = f"did you mean {near[0]!r}?" if near else f"expected only {known}"
    return Fault(f"{at}/{_escape(name[:MAX_SHOWN])}", f"{row}unexpected feature {_show(name)}; {hint}")


def _whole(digits: str) -> int | float:
    """Integers without the interpreter's limit on digits, which is an error of its own."""
    return int(digits) if len(digits) < 400 else float(digits)


def _plain(error: Exception) -> str:
    """A decoder's message without its own words for the place."""
    text = str(error).replace("JSON is malformed: ", "").replace("`", "'")
    return re.sub(r" - at '\$.*", "", text, flags=re.DOTALL)[:200]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _show(value: Any) -> str:
    """A refused value, short and on one line."""
    if isinstance(value, dict | list):
        return _kind(value)
    if isinstance(value, float) and value - value != 0:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    text = json.dumps(value[: MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _escape(name: str) -> str:
    """A key as a JSON pointer's token (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")
