"""One request, taken apart: the same parts of the server that answer it, called one after the other.

This is the only place of the bench that knows which they are. ``server.prediction`` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.golden import Row, answered, typed
from bench.stopwatch import Call
from registry.store import Entry
from server.answering import style
from server.generation import Serving
from server.model import Model
from server.prediction import Answered, Ask, predict, predict_batch
from server.schema import Schema
from server.session import Floats, Rows, Session

STAGES = ("decode", "array", "run", "encode")
"""In order: bytes to typed rows, rows to the model's arrays, the model, its arrays to bytes."""
PREDICT = "predict"
"""All of it: the function that both interfaces of the server call."""

Feed = dict[str, NDArray[Any]]


def calls(serving: Serving, entry: Entry, rows: int) -> dict[str, Call]:
    """What to time, by stage; each works on what the one before it gave.

    One row has no ``array``: it is packed where it is run.

    Raises:
        BenchError: the whole answers other than its parts, so they are not its parts.
    """
    model = serving.generation.lane(entry.manifest.name).model
    values = sample_rows(model.schema, entry, rows)
    if rows == 1:
        body = msgspec.json.encode(dict(zip(model.schema.signature.names, values[0], strict=True)))
        found, answer = _one(model, entry, body)
    else:
        body = msgspec.json.encode({"instances": values})
        found, answer = _many(model, entry, body, rows)
    whole = _whole(serving, entry.manifest.name, body, predict if rows == 1 else predict_batch)
    if (came := whole().reply.body) != answer:
        shown = f"the parts answer {answer[:80]!r}, the server's function {came[:80]!r}"
        raise BenchError(f"{entry.manifest.reference}, {rows} rows: {shown}; bench/stage.py is out of date")
    return {**found, PREDICT: whole}


def _whole(
    serving: Serving, name: str, body: bytes, answer: Callable[[Serving, Ask], Answered]
) -> Callable[[], Answered]:
    def ask() -> Answered:
        now_ns = perf_counter_ns()  # each time: work whose deadline is over would be refused
        given = Ask(
            model=name,
            content_type="application/json",
            query="",
            body=body,
            timeout_ms=None,
            request_id="bench",
            arrived_ns=now_ns,
            received_ns=now_ns,
            variable=lambda _: None,
        )
        return answer(serving, given)

    return ask


def _one(model: Model, entry: Entry, body: bytes) -> tuple[dict[str, Call], bytes]:
    session = Session(entry.model, model.schema.signature)
    row = model.schema.one(body)
    recorded = style(Recording(session.one.first(row)), model.schema.signature)
    found: dict[str, Call] = {
        "decode": lambda: model.schema.one(body),
        "run": lambda: session.one.first(row),
        "encode": lambda: recorded.answer(row, False),
    }
    return found, recorded.answer(row, False)


def _many(model: Model, entry: Entry, body: bytes, rows: int) -> tuple[dict[str, Call], bytes]:
    signature, slice_rows = model.schema.signature, model.cost.slice_rows
    session = Session(entry.model, signature)
    run = session.labels if signature.classes else session.values

    def decode() -> list[Rows]:
        return model.batch.read(body, rows, slice_rows)[0]

    slices = decode()
    feeds = [session.feed(part) for part in slices]
    recorded = style(Recording(*(run(feed) for feed in feeds)), signature)
    found: dict[str, Call] = {
        "decode": decode,
        "array": lambda: [session.feed(part) for part in slices],
        "run": lambda: [run(feed) for feed in feeds],
        "encode": lambda: recorded.answer_batch(slices, False),
    }
    return found, recorded.answer_batch(slices, False)


class Recording(Session):
    """Gives again what a session gave, slice after slice, so that only what is done with it takes time."""

    def __init__(self, *given: Any) -> None:
        """``given`` is, for each slice, the array of its labels or values; for one row a number."""
        self._given, self._next = given, 0
        self.one = RecordedRow(given[0])

    def feed(self, _: Rows) -> Feed:
        """Nothing: nothing is run."""
        return {}

    def labels(self, _: Feed) -> NDArray[np.int64]:
        """Of the next slice; after the last comes the first."""
        found: NDArray[np.int64] = self._given_next()
        return found

    def values(self, _: Feed) -> Floats:
        """The same of a regression."""
        found: Floats = self._given_next()
        return found

    def _given_next(self) -> Any:
        found = self._given[self._next]
        self._next = (self._next + 1) % len(self._given)
        return found


class RecordedRow:
    """Gives again what a session gave for one row."""

    def __init__(self, given: Any) -> None:
        """``given`` is the index of the label, or the value."""
        self._given = given

    def first(self, _: Sequence[Any]) -> Any:
        """What was given."""
        return self._given

    def all(self, _: Sequence[Any]) -> list[list[Any]]:
        """What was given, as the only output."""
        return [[self._given]]


def sample_rows(schema: Schema, entry: Entry, rows: int) -> list[Row]:
    """So many rows that are answered, the same ones over and over, but not one and the same all the time.

    Raises:
        BenchError: the model has none.
    """
    places = answered(schema, entry)
    if not places:
        raise BenchError(f"{entry.manifest.reference}: none of its golden rows is answered by the server")
    chosen = (places[number % len(places)] for number in range(rows))
    return [typed(schema.signature, entry.golden.inputs[place]) for place in chosen]
