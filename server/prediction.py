"""The prediction endpoints: one plain synchronous function each, request bytes in, answer bytes out.

Nothing here knows Litestar, ASGI or WSGI. What can be the caller's fault is checked before the session runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter_ns

import msgspec
from msgspec.structs import replace

from server.admission import HEAVY_NS, Line
from server.counters import BATCH, KEYLESS, OUT_OF_TIME, PREDICT, Counters
from server.diagnosis import diagnose_row
from server.errors import Fault, InvalidValues, TooLarge, Unavailable, WrongMediaType
from server.generation import Generation, Lane, Serving
from server.model import Model
from server.problem import Reply, problem
from server.schema import REFUSALS, Row
from server.settings import MAX_TIMEOUT_MS
from server.shadow import Copy
from server.split import Variable

NO_MODEL_SERIES = 0
UNAVAILABLE = 503
JSON = "application/json"


class Ask(msgspec.Struct, frozen=True):
    """What a prediction depends on. A Struct is made in a fifth of the time of a tuple with names."""

    model: str | None
    """Name in the path; None asks the champion."""
    content_type: str | None
    query: str
    """Raw query string, without ``?``."""
    body: bytes | TooLarge
    """Or why it is not answered."""
    timeout_ms: str | None
    """The header ``X-Request-Timeout-Ms``."""
    request_id: str
    arrived_ns: int
    """When a thread took it up, on the clock of ``perf_counter_ns``; the deadline counts from here."""
    received_ns: int
    """When its body was there, too."""
    variable: Variable
    """Looks up a header by its CGI name: for the one that a split may go by."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A reply and what the counters need to know of it."""

    reply: Reply
    endpoint: int
    series: int
    rows: int
    elapsed_ns: int
    keyless: bool
    """A split goes by a header that the request lacks."""


def predict(serving: Serving, ask: Ask) -> Answered:
    """Answer ``POST /predict`` and ``POST /models/{name}/predict``."""
    return _answer(serving, ask, PREDICT, _one)


def predict_batch(serving: Serving, ask: Ask) -> Answered:
    """Answer ``POST /predict/batch`` and ``POST /models/{name}/predict/batch``."""
    return _answer(serving, ask, BATCH, _many)


def takes_long(serving: Serving, ask: Ask, endpoint: int) -> bool:
    """Whether an event loop should leave it to a thread; what is refused at once does not."""
    generation = serving.generation
    if ask.model is None:
        lanes = [generation.champion, *generation.variants]
    else:
        lanes = [lane] if (lane := generation.lanes.get(ask.model)) else []
    body = ask.body
    return isinstance(body, bytes) and any(
        len(body) > lane.model.cost.light_bytes[endpoint] for lane in lanes
    )


def count(counters: Counters, answered: Answered) -> None:
    """Add an answer to the counters."""
    counters.count(
        answered.series, answered.endpoint, answered.reply.status, answered.rows, answered.elapsed_ns
    )
    if answered.keyless:
        counters.note(answered.series, KEYLESS)
    if answered.reply.status == UNAVAILABLE:
        counters.note(answered.series, OUT_OF_TIME)


Work = Callable[[Generation, Lane, bytes, bool], tuple[bytes, int]]
"""(generation, its model, request body, probabilities wanted) to (answer body, rows)."""


def _answer(serving: Serving, ask: Ask, endpoint: int, work: Work) -> Answered:
    lane, generation = None, serving.generation  # read once: a switch in between changes nothing here
    rows, keyless = 0, False
    try:
        if ask.model is None:
            lane, keyless = generation.dealt(ask.variable)
        else:
            lane = generation.lane(ask.model)
        body = ask.body
        if not isinstance(body, bytes):
            raise TooLarge(*body.args)  # a new one: that in the request would hold the frame that holds it
        plain = ask.content_type == JSON and not ask.query  # most are
        probabilities = False if plain else _options(ask, lane.model)
        if len(body) > lane.model.cost.light_bytes[endpoint] or ask.timeout_ms is not None:
            work_ns = lane.model.cost.work_ns(endpoint == BATCH, len(body))
            with admitted(serving.line, ask, generation.timeout_ns, work_ns):
                answer, rows = work(generation, lane, body, probabilities)
        else:
            answer, rows = work(generation, lane, body, probabilities)
        reply = Reply(200, lane.headers, answer)
        if generation.ghosts and ask.model is None and serving.shadows:
            copy = Copy(endpoint, body, answer, probabilities, generation.max_batch_rows, perf_counter_ns())
            serving.shadows.offer(generation.ghosts, copy)
    except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer and it is counted
        reply = problem(error, ask.request_id)
        own = lane.headers if lane else (("X-Model-Generation", str(generation.number)),)
        reply = replace(reply, headers=(*own, *reply.headers))
    series = lane.series if lane else NO_MODEL_SERIES
    return Answered(reply, endpoint, series, rows, perf_counter_ns() - ask.received_ns, keyless)


def admitted(line: Line, ask: Ask, default_ns: int, work_ns: float) -> AbstractContextManager[None]:
    """The time in which the work may be done.

    Raises:
        InvalidValues: the deadline is none.
        Unavailable: it cannot be kept.
    """
    deadline_ns = ask.arrived_ns + (default_ns if ask.timeout_ms is None else timeout_ns(ask.timeout_ms))
    if work_ns > HEAVY_NS:
        return line.turn(work_ns, deadline_ns)
    if perf_counter_ns() + work_ns > deadline_ns:
        raise Unavailable("the deadline is over before the work begins; allow more time, or try again")
    return nullcontext()


def timeout_ns(header: str) -> int:
    """What ``X-Request-Timeout-Ms`` allows.

    Raises:
        InvalidValues: it is no such number.
    """
    sound = header.isascii() and header.isdecimal() and len(header) <= len(str(MAX_TIMEOUT_MS))
    if not sound or not 1 <= int(header) <= MAX_TIMEOUT_MS:
        wanted = f"a whole number of milliseconds from 1 to {MAX_TIMEOUT_MS}"
        raise InvalidValues([Fault("X-Request-Timeout-Ms", f"expected {wanted}, came {header[:40]!r}")])
    return int(header) * 1_000_000


def _one(_: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    try:
        row = model.schema.one(body)
    except REFUSALS as refusal:
        raise diagnose_row(model.schema, body, refusal) from None
    return model.answer(row, probabilities), 1


def read_row(model: Model, body: bytes) -> Row:
    """The row of a request, for what is in less of a hurry than a prediction.

    Raises:
        RequestError: it is none of this model.
    """
    try:
        return model.schema.one(body)
    except REFUSALS as refusal:
        raise diagnose_row(model.schema, body, refusal) from None


def _many(generation: Generation, lane: Lane, body: bytes, probabilities: bool) -> tuple[bytes, int]:
    model = lane.model
    slices, rows = model.batch.read(body, generation.max_batch_rows, model.cost.slice_rows)
    return model.answer_batch(slices, probabilities), rows


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
    if declared != JSON and declared is not None:
        media_type = declared.partition(";")[0].strip().lower()
        if media_type != JSON:
            raise WrongMediaType(
                f"expected Content-Type: application/json, came {media_type[:80]!r}; "
                "with curl, add -H 'Content-Type: application/json'"
            )
