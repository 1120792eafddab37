"""The prediction endpoints: one plain synchronous function each, request bytes in, answer bytes out.

Nothing here knows Litestar, ASGI or WSGI. What can be the caller's fault is checked before the session runs.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import NamedTuple

from server.counters import BATCH, PREDICT, Counters
from server.diagnosis import REFUSALS, diagnose_batch, diagnose_row
from server.errors import Fault, InvalidValues, TooLarge, WrongMediaType
from server.generation import Generation, Lane, Serving
from server.problem import Reply, problem

NO_MODEL_SERIES = 0


class Ask(NamedTuple):
    """What a prediction depends on."""

    model: str | None
    """Name in the path; None asks the champion."""
    content_type: str | None
    query: str
    """Raw query string, without ``?``."""
    body: bytes


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
    started = perf_counter_ns()
    lane = None
    rows = 0
    try:
        generation = serving.generation  # read once: a switch in between changes nothing for this request
        lane = generation.lane(ask.model)
        body, rows = work(generation, lane, ask.body, _options(ask))
        reply = Reply(200, lane.headers, body)
    except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer and it is counted
        reply = problem(error)
        if lane:
            reply = reply._replace(headers={**lane.headers, **reply.headers})
    series = lane.series if lane else NO_MODEL_SERIES
    return Answered(reply, endpoint, series, rows, perf_counter_ns() - started)


def _one(generation: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    try:
        row = model.schema.one(body)
    except REFUSALS as refusal:
        raise diagnose_row(model.schema, body, refusal) from None
    return model.answer(row, probabilities), 1


def _many(generation: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    try:
        rows = model.schema.many(body)
    except REFUSALS as refusal:
        raise diagnose_batch(model.schema, body, refusal) from None
    if not rows:
        raise InvalidValues([Fault("/instances", "'instances' is empty: expected one row or more")])
    if len(rows) > generation.max_batch_rows:
        raise TooLarge(
            f"expected at most {generation.max_batch_rows} rows, came {len(rows)}; send them in parts"
        )
    return model.answer_batch(rows, probabilities), len(rows)


def _options(ask: Ask) -> bool:
    """Whether probabilities are wanted; refuses a body that is not JSON and a query that is unknown."""
    declared = ask.content_type
    if declared != "application/json" and declared is not None:
        media_type = declared.partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise WrongMediaType(
                f"expected Content-Type: application/json, came {media_type[:80]!r}; "
                "with curl, add -H 'Content-Type: application/json'"
            )
    if not ask.query:
        return False
    if ask.query in ("probabilities=true", "probabilities=false"):
        return ask.query == "probabilities=true"
    raise InvalidValues([Fault("?", f"expected ?probabilities=true or =false, came {ask.query[:80]!r}")])
