"""Request types made from a signature, and their decoders: compiled once, when a model is loaded."""

from __future__ import annotations

import math
import sys
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct, defstruct

from registry.manifest import Feature, Signature

FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT64_MAX = sys.float_info.max
LARGEST = {"float32": FLOAT32_MAX, "float64": FLOAT64_MAX, "int64": float(2**63)}
Row = tuple[float | str | None, ...]
REFUSALS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises for a body that it refuses."""


class Envelope(Struct, forbid_unknown_fields=True, gc=False):
    """A batch whose rows are told apart but not looked into."""

    instances: list[msgspec.Raw]


open_envelope = msgspec.json.Decoder(Envelope).decode


class BadSlice(Exception):
    """Part of a batch that the decoder refused."""

    def __init__(self, start: int, rows: list[msgspec.Raw], refusal: Exception) -> None:
        """The first of ``rows`` is row ``start`` of the batch."""
        super().__init__()
        self.start = start
        self.rows = rows
        self.refusal = refusal


class Schema:
    """What one model accepts: a row as an object, a row as an array, many of either."""

    def __init__(self, signature: Signature, model: str) -> None:
        """Compile the types and decoders; ``model`` tells the types apart in OpenAPI."""
        self.signature = signature
        self.types = [feature_type(feature) for feature in signature.features]
        fields = [f"f{index}" for index in range(len(self.types))]  # feature names need not be identifiers
        self.row: type[Struct] = defstruct(
            f"{model}.Features",
            list(zip(fields, self.types, strict=True)),
            rename=dict(zip(fields, signature.names, strict=True)),
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )
        array: Any = tuple[tuple(self.types)]  # type: ignore[misc]  # built from data
        rows: Any = list[array | self.row]  # type: ignore[name-defined]  # built from data
        self.batch: type[Struct] = defstruct(
            f"{model}.Batch", [("instances", rows)], forbid_unknown_fields=True, gc=False
        )
        self._decode_row = msgspec.json.Decoder(self.row).decode
        self._decode_rows = msgspec.json.Decoder(rows).decode

    def one(self, body: bytes) -> Row:
        """A single row, in signature order.

        Raises:
            msgspec.MsgspecError, RecursionError, UnicodeDecodeError: see ``server.diagnosis``.
        """
        return msgspec.structs.astuple(self._decode_row(body))

    def many(self, rows: list[msgspec.Raw], slice_rows: int) -> list[list[Row]]:
        """The rows of a batch, in signature order, ``slice_rows`` together.

        One call of a decoder keeps every other thread out, so it is called for a slice at a time.

        Raises:
            BadSlice: see ``server.diagnosis``.
        """
        return [self._slice(rows, start, slice_rows) for start in range(0, len(rows), slice_rows)]

    def _slice(self, rows: list[msgspec.Raw], start: int, slice_rows: int) -> list[Row]:
        part = rows[start : start + slice_rows]
        try:
            decoded: list[Any] = self._decode_rows(b"[%b]" % b",".join(part))
        except REFUSALS as refusal:
            raise BadSlice(start, part, refusal) from None
        return [row if type(row) is tuple else msgspec.structs.astuple(row) for row in decoded]

    def example(self) -> dict[str, float | str | None]:
        """A request body that is answered."""
        return {feature.name: _example(feature) for feature in self.signature.features}


def bounds(feature: Feature) -> tuple[float, float]:
    """Smallest and largest number that is answered: the stated range, else what the dtype holds."""
    largest = LARGEST[feature.dtype]
    low = -largest if feature.minimum is None else max(feature.minimum, -largest)
    high = largest if feature.maximum is None else min(feature.maximum, largest)
    return low, high


def feature_type(feature: Feature) -> Any:
    """The annotated type of one value, as msgspec validates it and OpenAPI shows it."""
    words = feature.description + (f" [{feature.unit}]" if feature.unit else "")
    shown: dict[str, Any] = {"unit": feature.unit} if feature.unit else {}
    if feature.example is not None:
        shown["examples"] = [_example(feature)]
    about: dict[str, Any] = {"description": words or feature.name, "extra_json_schema": shown or None}
    if feature.dtype == "string":
        plain = Literal[feature.categories] if feature.categories else str
        return Annotated[plain, Meta(**about)]
    low, high = bounds(feature)
    if feature.dtype == "int64":
        least, most = max(math.ceil(low), -(2**63)), min(math.floor(high), 2**63 - 1)
        return Annotated[int, Meta(ge=least, le=most, **about)]
    number = Annotated[float, Meta(ge=low, le=high, **about)]
    return number | None if feature.may_be_missing else number


def _example(feature: Feature) -> float | str | None:
    if isinstance(feature.example, float) and feature.dtype == "int64":
        return round(feature.example)  # manifests hold it as a float, and 3.0 is no integer in a request
    if feature.example is not None:
        return feature.example
    if feature.dtype == "string":
        return feature.categories[0] if feature.categories else "text"
    low, high = bounds(feature)
    middle = 0.0 if None in (feature.minimum, feature.maximum) else (low + high) / 2
    typical = min(max(middle, low), high)
    return round(typical) if feature.dtype == "int64" else typical
