"""The prediction endpoints: one plain synchronous function each, request bytes in, answer bytes out.

Nothing here knows Litestar, ASGI or WSGI. What can be the caller's fault is checked before the session runs.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import NamedTuple

from server.counters import BATCH, PREDICT, Counters
from server.diagnosis import diagnose_envelope, diagnose_row, diagnose_slice
from server.errors import Fault, InvalidValues, TooLarge, Unavailable, WrongMediaType
from server.generation import Generation, Lane, Serving
from server.model import Model
from server.problem import Reply, problem
from server.schema import REFUSALS, BadSlice, open_envelope

NO_MODEL_SERIES = 0
SLICE_ROWS = 512
"""Rows of a batch that are decoded, converted and run in one go; in between other requests get their turn."""


class Ask(NamedTuple):
    """What a prediction depends on."""

    model: str | None
    """Name in the path; None asks the champion."""
    content_type: str | None
    query: str
    """Raw query string, without ``?``."""
    body: bytes | TooLarge | Unavailable
    """Or why it is not answered."""
    received_ns: int
    """When the body was there, on the clock of ``perf_counter_ns``."""


class Answered(NamedTuple):
    """A reply and what the counters need to know of it."""

    reply: Reply
    endpoint: int
    series: int
    rows: int
    elapsed_ns: int


def predict(serving: Serving, ask: Ask) -> Answered:
    """Answer ``POST /predict`` and ``POST /models/{name}/predict``."""
    return _answer(serving, ask, PREDICT, _one)


def predict_batch(serving: Serving, ask: Ask) -> Answered:
    """Answer ``POST /predict/batch`` and ``POST /models/{name}/predict/batch``."""
    return _answer(serving, ask, BATCH, _many)


def count(counters: Counters, answered: Answered) -> None:
    """Add an answer to the counters. Only the event loop's thread may call this."""
    reply, endpoint, series, rows, elapsed_ns = answered
    counters.count(series, endpoint, reply.status, rows, elapsed_ns)


Work = Callable[[Generation, Lane, bytes, bool], tuple[bytes, int]]
"""(generation, its model, request body, probabilities wanted) to (answer body, rows)."""


def _answer(serving: Serving, ask: Ask, endpoint: int, work: Work) -> Answered:
    lane, generation = None, serving.generation  # read once: a switch in between changes nothing here
    rows = 0
    try:
        lane = generation.lane(ask.model)
        if not isinstance(ask.body, bytes):
            raise ask.body
        body, rows = work(generation, lane, ask.body, _options(ask, lane.model))
        reply = Reply(200, lane.headers, body)
    except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer and it is counted
        reply = problem(error)
        own = lane.headers if lane else {"X-Model-Generation": str(generation.number)}
        reply = reply._replace(headers={**own, **reply.headers})
    series = lane.series if lane else NO_MODEL_SERIES
    return Answered(reply, endpoint, series, rows, perf_counter_ns() - ask.received_ns)


def _one(_: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    try:
        row = model.schema.one(body)
    except REFUSALS as refusal:
        raise diagnose_row(model.schema, body, refusal) from None
    return model.answer(row, probabilities), 1


def _many(generation: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    try:
        rows = open_envelope(body).instances
        if not rows:
            raise InvalidValues([Fault("/instances", "'instances' is empty: expected one row or more")])
        if len(rows) > generation.max_batch_rows:
            most = generation.max_batch_rows
            raise TooLarge(f"expected at most {most} rows, came {len(rows)}; send them in parts")
        return model.answer_batch(model.schema.many(rows, SLICE_ROWS), probabilities), len(rows)
    except BadSlice as refusal:
        raise diagnose_slice(model.schema, refusal) from None
    except REFUSALS as refusal:
        raise diagnose_envelope(model.schema, body, refusal) from None


def _options(ask: Ask, model: Model) -> bool:
    """Whether probabilities are wanted; refuses a body that is not JSON and a query that cannot be met."""
    expect_json(ask.content_type)
    if not ask.query:
        return False
    if ask.query == "probabilities=false":
        return False
    wrong = model.why_no_probabilities
    if ask.query != "probabilities=true":
        wrong = f"expected ?probabilities=true or =false, came {ask.query[:80]!r}"
    if wrong:
        raise InvalidValues([Fault("?", wrong)])
    return True


def expect_json(declared: str | None) -> None:
    """Let JSON pass, and a body that is not declared to be anything.

    Raises:
        WrongMediaType
    """
    if declared != "application/json" and declared is not None:
        media_type = declared.partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise WrongMediaType(
                f"expected Content-Type: application/json, came {media_type[:80]!r}; "
                "with curl, add -H 'Content-Type: application/json'"
            )
