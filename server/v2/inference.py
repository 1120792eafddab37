"""``POST /v2/models/{name}/infer``: one plain synchronous function, as the native endpoints have."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns, time_ns
from typing import NamedTuple

import numpy as np

from server.admission import HEAVY_NS
from server.cost import SLICE_NS
from server.counters import (
    EXECUTIONS,
    FAILED_NS,
    INFER,
    INFER_NS,
    INFERRED_ROWS,
    INPUT_NS,
    OUT_OF_TIME,
    OUTPUT_NS,
    QUEUE_NS,
    Counters,
)
from server.errors import TooLarge, WrongMediaType
from server.generation import Generation, Lane, Serving
from server.model import Model
from server.prediction import NO_MODEL_SERIES, UNAVAILABLE, Ask, admitted
from server.problem import Reply
from server.session import Answers
from server.v2.features import Feed
from server.v2.message import Inference, Input, parse, split
from server.v2.outputs import Asked, encode
from server.v2.problem import problem
from server.v2.refusal import refuse
from server.v2.tensors import Behind

LENGTH_VARIABLE = "HTTP_INFERENCE_HEADER_CONTENT_LENGTH"
"""``Inference-Header-Content-Length``, as CGI names it."""
LENGTH_HEADER = "Inference-Header-Content-Length"
LEAST_SLICE = 16_384
"""Rows. A run lets the interpreter go: single rows need not wait for it, however long it is."""
WINDOW_BITS = {"gzip": 31, "deflate": 15}
"""Of zlib; the protocol's deflate is zlib's own format."""


class Inferred(NamedTuple):
    """A reply and what the counters need to know of it."""

    reply: Reply
    series: int
    rows: int
    elapsed_ns: int
    notes: dict[int, int]
    refused: type[Exception] | None
    """What was raised. Not the error itself, which would hold its frames."""


class Found(NamedTuple):
    """Outputs that were asked for, not encoded yet."""

    asked: list[Asked]
    answers: Answers
    rows: int


class Clock:
    """Times of the parts of one request."""

    def __init__(self, started_ns: int) -> None:
        """Begin at ``started_ns``, on the clock of ``perf_counter_ns``."""
        self._at_ns = started_ns
        self.notes: dict[int, int] = {}

    def stop(self, which: int) -> None:
        """The time since the last stop was for this part."""
        now_ns = perf_counter_ns()
        self.notes[which] = self.notes.get(which, 0) + now_ns - self._at_ns
        self._at_ns = now_ns


def infer(serving: Serving, ask: Ask) -> Inferred:
    """Answer an inference request that came over HTTP."""
    return attempt(serving, ask, _over_http)


Work = Callable[[Serving, Generation, Lane, Ask, Clock], tuple[Reply, int]]
"""(generation and its model that answer, request, its clock) to (reply, rows)."""


def attempt(serving: Serving, ask: Ask, work: Work) -> Inferred:
    """Answer a request as ``work`` does; what it raises is an answer, too."""
    generation = serving.generation  # read once
    lane, rows, clock, refused = None, 0, Clock(ask.received_ns), None
    try:
        lane = generation.lane(ask.model or "")
        reply, rows = work(serving, generation, lane, ask, clock)
        notes = clock.notes
    except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer and it is counted
        reply = problem(error, ask.request_id, lane.headers if lane else ())
        refused, notes = type(error), {FAILED_NS: perf_counter_ns() - ask.received_ns}
    series = lane.series if lane else NO_MODEL_SERIES
    return Inferred(reply, series, rows, perf_counter_ns() - ask.received_ns, notes, refused)


def _over_http(
    serving: Serving, generation: Generation, lane: Lane, ask: Ask, clock: Clock
) -> tuple[Reply, int]:
    text, behind = split(_expanded(ask, generation), ask.variable(LENGTH_VARIABLE))
    with turn(serving, ask, generation, work_ns(lane.model, len(text), len(behind or b""))):
        clock.stop(QUEUE_NS)
        request = _request(lane.model, text, behind)
        tensors = Behind(behind) if behind is not None else None
        found = outputs(lane.model, request, tensors, generation.max_batch_rows, clock)
        reply = _reply(lane, request, found, ask)
        clock.stop(OUTPUT_NS)
    return reply, found.rows


def outputs(model: Model, request: Inference, behind: Behind | None, max_rows: int, clock: Clock) -> Found:
    """What is asked for, of all rows.

    Raises:
        InvalidValues, TooLarge: the request is not one that the model takes.
    """
    asked = model.v2.outputs.asked(request)
    feed, rows = model.v2.features.read(request.inputs, behind, max_rows)
    clock.stop(INPUT_NS)
    answers = run(model, feed, rows, asked, clock)
    clock.stop(INFER_NS)
    return Found(asked, answers, rows)


def count(counters: Counters, inferred: Inferred) -> None:
    """Add an answer to the counters."""
    counters.count(inferred.series, INFER, inferred.reply.status, inferred.rows, inferred.elapsed_ns)
    if inferred.reply.status == UNAVAILABLE:
        counters.note(inferred.series, OUT_OF_TIME)
    counters.note_all(inferred.series, inferred.notes, time_ns() // 1_000_000)


def _expanded(ask: Ask, generation: Generation) -> bytes:
    """The body as it was before it was compressed, up to the cap.

    Raises:
        TooLarge: it is larger; no more than the cap was ever in memory.
        WrongMediaType: it is compressed otherwise.
        InvalidValues: it is not what its header says.
    """
    if not isinstance(ask.body, bytes):
        raise TooLarge(*ask.body.args)
    encoding = (ask.variable("HTTP_CONTENT_ENCODING") or "identity").strip().lower()
    if encoding == "identity":
        return ask.body
    if encoding not in WINDOW_BITS:
        raise WrongMediaType(f"expected Content-Encoding gzip or deflate, came {encoding[:40]!r}")
    cap = generation.plan.resolved.settings.max_body_bytes
    expander = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        body = expander.decompress(ask.body, cap + 1)
    except zlib.error:
        raise refuse(f"the body is not {encoding}, as Content-Encoding says") from None
    if len(body) > cap:
        raise TooLarge.body(cap)
    if not expander.eof or expander.unused_data:
        raise refuse(f"the body is not one whole {encoding} stream")
    return body


def work_ns(model: Model, text_bytes: int, binary_bytes: int) -> float:
    """What the request costs, by its size; known before any of it is read."""
    rows = binary_bytes / model.v2.features.row_bytes
    return model.cost.byte_ns * text_bytes + SLICE_NS / model.cost.slice_rows * rows


@contextmanager
def turn(serving: Serving, ask: Ask, generation: Generation, expected_ns: float) -> Iterator[None]:
    """The time in which the work may be done.

    Raises:
        InvalidValues, Unavailable: as ``admitted`` does.
    """
    if expected_ns > HEAVY_NS or ask.timeout_ms is not None:
        with admitted(serving.line, ask, generation.timeout_ns, expected_ns):
            yield
    else:
        yield


def _request(model: Model, text: bytes, behind: memoryview | None) -> Inference:
    """What the JSON says; without any, the whole body is the single input, and all outputs come as bytes."""
    if text or behind is None:
        return parse(text)
    tensors = model.v2.features.tensors
    if len(tensors) != 1 or tensors[0].datatype == "BYTES":
        raise refuse("a raw binary request is for a model with one input of numbers")
    tensor, size = tensors[0], len(behind)
    given = Input(tensor.name, (1, tensor.width), tensor.datatype, {"binary_data_size": size})
    return Inference(inputs=(given,), parameters={"binary_data_output": True})


def run(model: Model, feed: Feed, rows: int, asked: list[Asked], clock: Clock) -> Answers:
    """The outputs that are asked for, of all rows: in slices, so that single rows are answered in between."""
    session = model.session
    clock.notes[INFERRED_ROWS] = rows
    parts = []
    size = max(model.cost.slice_rows, LEAST_SLICE)
    for start in range(0, rows, size):
        part = {name: values[start : start + size] for name, values in feed.items()}
        labels_only = [each.name for each in asked] == ["label"]
        parts.append(
            Answers(session.labels(part), np.empty((0, 0))) if labels_only else session.answers(part)
        )
    clock.notes[EXECUTIONS] = len(parts)
    if len(parts) == 1:
        return parts[0]
    if not parts:
        classes = len(model.manifest.signature.classes) or 1
        return Answers(np.empty(0, np.int64), np.empty((0, classes)))
    labels = np.concatenate([part.labels for part in parts])
    return Answers(labels, np.concatenate([part.numbers for part in parts]))


def _reply(lane: Lane, request: Inference, found: Found, ask: Ask) -> Reply:
    tensors, behind = lane.model.v2.outputs.encoded(found.asked, found.answers)
    manifest = lane.model.manifest
    response = {
        "model_name": manifest.name,
        "model_version": str(manifest.version),
        "id": request.id or ask.request_id,
        "outputs": tensors,
    }
    body, length = encode(response, behind)
    headers = lane.headers
    if length is not None:
        headers = (*headers, (LENGTH_HEADER, str(length)))
    wanted = (ask.variable("HTTP_ACCEPT_ENCODING") or "").strip().lower()
    if wanted in WINDOW_BITS:  # a list that a library sends by itself is not a wish
        packer = zlib.compressobj(wbits=WINDOW_BITS[wanted])
        body = packer.compress(body) + packer.flush()
        headers = (*headers, ("Content-Encoding", wanted))
    return Reply(200, headers, body, "application/json" if length is None else "application/octet-stream")
