"""Golden rows as requests, with what is right: rows of real data, of any model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from bench.answers import Classes, single_fault
from bench.errors import BenchError
from registry.manifest import Label, Signature
from registry.store import Entry
from server.schema import BadSlice, Schema

DATA = "data"
"""Kind of the golden rows that were taken from the training data."""
Row = tuple[Any, ...]


class Question(NamedTuple):
    """One row as a request, and its answer."""

    path: str
    body: bytes
    classes: Classes
    label: Label | None
    """As the trained model says; None: a regression, whose answer must only be a number."""

    def fault(self, status: int, body: bytes) -> str | None:
        """What is wrong with an answer, or None."""
        fault = single_fault(status, body, self.classes)
        if fault is None and self.classes and json.loads(body)["prediction"] != self.label:
            return f"expected {self.label!r}, came {body[:80]!r}"
        return fault


def question(entry: Entry) -> Question:
    """A row of the entry's, for its own path.

    Raises:
        BenchError: it has no golden row that a client could send.
    """
    signature, golden = entry.manifest.signature, entry.golden
    places = answered(Schema(signature, "bench"), entry)
    if not places:
        raise BenchError(f"{entry.manifest.reference}: none of its golden rows is answered by the server")
    return Question(
        path=f"/models/{entry.manifest.reference}/predict",
        body=msgspec.json.encode(
            dict(zip(signature.names, typed(signature, golden.inputs[places[0]]), strict=True))
        ),
        classes=frozenset(signature.classes),
        label=golden.labels[places[0]] if golden.labels else None,
    )


def answered(schema: Schema, entry: Entry) -> list[int]:
    """Places of the golden rows that the server answers: those of the training data, or else all such.

    The others are hard numbers, which nobody sends, or lie outside the range that is answered.
    """
    places = [place for place, row in enumerate(entry.golden.inputs) if _accepts(schema, row)]
    return [place for place in places if entry.golden.kinds[place] == DATA] or places


def typed(signature: Signature, row: Sequence[Any]) -> Row:
    """As a client sends it: where a feature is a whole number, 3 and never 3.0."""
    pairs = zip(signature.features, row, strict=True)
    return tuple(round(value) if feature.dtype == "int64" else value for feature, value in pairs)


def _accepts(schema: Schema, row: Row) -> bool:
    try:
        schema.many([msgspec.Raw(msgspec.json.encode(typed(schema.signature, row)))], 1)
    except BadSlice:
        return False
    return True
