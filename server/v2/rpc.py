"""The protocol over gRPC, on a port of its own. Nothing imports this, or grpc, unless that port is set.

Each call goes the way of the REST endpoint of the same meaning; only its form differs. A call holds a thread
until its message is there: like the other port, this one is for clients that one trusts not to dawdle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

import grpc
import msgspec
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message

from registry.errors import RegistryError
from registry.store import Store
from server.bearer import check_token
from server.counters import INFER, OUTPUT_NS, QUEUE_NS, Counters
from server.errors import (
    AdminClosed,
    MalformedBody,
    NotLoaded,
    ReloadRefused,
    RequestError,
    SettingsError,
    Unauthorized,
    Unavailable,
)
from server.generation import Generation, Lane, Serving
from server.prediction import NO_MODEL_SERIES, Ask
from server.problem import Reply
from server.requestid import HEADER, request_id
from server.settings import MAX_TIMEOUT_MS
from server.switching import request as switching
from server.switching.messages import Load, Unload
from server.v2 import metadata
from server.v2.inference import Clock, attempt, count, outputs, turn, work_ns
from server.v2.problem import problem
from server.v2.refusal import refuse
from server.v2.statistics import statistics
from server.v2.wire import form
from server.v2.wire import inference_pb2 as wire
from server.v2.wire.weight import check_weight

SERVICE = "inference.GRPCInferenceService"
GRACE_S = 5.0
"""Calls that have begun get so long to end when the worker is told to stop: a request's usual deadline."""
MOST_OPEN = 1000
"""Calls that a worker has open at the same time; one more is refused with RESOURCE_EXHAUSTED."""
MOST_PLAIN_BYTES = 64 << 10
"""Of a message with no tensors. A parser keeps every other thread out, and makes an object of two bytes."""
MOST_ASCII, MOST_WIDE = 2000, 400
"""Characters of an error's text. It is sent as a header: a client takes 8 kB of these, and what is not ASCII
needs up to twelve bytes a character."""
CODES: dict[type[Exception], grpc.StatusCode] = {
    Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    AdminClosed: grpc.StatusCode.PERMISSION_DENIED,
    NotLoaded: grpc.StatusCode.NOT_FOUND,
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    ReloadRefused: grpc.StatusCode.FAILED_PRECONDITION,
    RegistryError: grpc.StatusCode.FAILED_PRECONDITION,
    SettingsError: grpc.StatusCode.FAILED_PRECONDITION,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    Exception: grpc.StatusCode.INTERNAL,
}
"""A subclass falls under its nearest listed ancestor."""


class Call(NamedTuple):
    """What comes with a message."""

    request_id: str
    metadata: dict[str, str]
    timeout_ms: str | None
    """The client's deadline, as ``X-Request-Timeout-Ms`` would say it."""
    arrived_ns: int


class Told(NamedTuple):
    """A reply whose body is the encoded message; or, where something was raised, the text of the error."""

    reply: Reply
    refused: type[Exception] | None


Answer = Callable[[Any, Call], Message]
"""(decoded message, what came with it) to the message of the answer."""


class Service:
    """The calls of the service. Safe to call from several threads."""

    def __init__(self, serving: Serving, counters: Counters, control: str) -> None:
        """``control`` is the address of the supervisor."""
        self._serving, self._counters, self._control = serving, counters, control

    def handler(self) -> grpc.GenericRpcHandler:
        """All calls by name; any other is answered with UNIMPLEMENTED."""
        plain: list[tuple[str, type[Message], Answer]] = [
            ("ServerLive", wire.ServerLiveRequest, lambda _, __: wire.ServerLiveResponse(live=True)),
            ("ServerReady", wire.ServerReadyRequest, self._ready),
            ("ServerMetadata", wire.ServerMetadataRequest, self._about),
            ("ModelReady", wire.ModelReadyRequest, self._model_ready),
            ("ModelMetadata", wire.ModelMetadataRequest, self._model_about),
            ("ModelConfig", wire.ModelConfigRequest, self._model_config),
            ("ModelStatistics", wire.ModelStatisticsRequest, self._statistics),
            ("RepositoryIndex", wire.RepositoryIndexRequest, self._index),
            ("RepositoryModelLoad", wire.RepositoryModelLoadRequest, self._load),
            ("RepositoryModelUnload", wire.RepositoryModelUnloadRequest, self._unload),
        ]
        methods = {name: _method(partial(_answered, kind, answer)) for name, kind, answer in plain}
        methods["ModelInfer"] = _method(self._infer)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _infer(self, body: bytes, call: Call) -> Told:
        try:
            check_weight(body)
            message = _decoded(wire.ModelInferRequest, body)
        except RequestError as error:
            refused = problem(error, call.request_id)
            elapsed_ns = perf_counter_ns() - call.arrived_ns
            self._counters.count(NO_MODEL_SERIES, INFER, refused.status, 0, elapsed_ns)
            return Told(refused, type(error))
        ask = Ask(
            model=_reference(message.model_name, message.model_version),
            content_type=None,
            query="",
            body=body,
            timeout_ms=call.timeout_ms,
            request_id=call.request_id,
            arrived_ns=call.arrived_ns,
            received_ns=perf_counter_ns(),
            variable=lambda name: None,
        )
        inferred = attempt(self._serving, ask, partial(_over_grpc, message))
        count(self._counters, inferred)
        return Told(inferred.reply, inferred.refused)

    def _ready(self, _: wire.ServerReadyRequest, __: Call) -> Message:
        return wire.ServerReadyResponse(ready=self._serving.ready)

    def _about(self, _: wire.ServerMetadataRequest, __: Call) -> Message:
        return wire.ServerMetadataResponse(**metadata.server())

    def _model_ready(self, message: wire.ModelReadyRequest, _: Call) -> Message:
        """An unknown model is not ready; it is no error."""
        loaded = _reference(message.name, message.version) in self._serving.generation.lanes
        return wire.ModelReadyResponse(ready=loaded and self._serving.ready)

    def _model_about(self, message: wire.ModelMetadataRequest, _: Call) -> Message:
        lane, generation = self._lane(message)
        return ParseDict(metadata.model(lane, generation), wire.ModelMetadataResponse())

    def _model_config(self, message: wire.ModelConfigRequest, _: Call) -> Message:
        lane, _generation = self._lane(message)
        return ParseDict({"config": metadata.config(lane)}, wire.ModelConfigResponse())

    def _statistics(self, message: wire.ModelStatisticsRequest, _: Call) -> Message:
        """Of all models where none is named."""
        generation = self._serving.generation
        models = generation.plan.models
        if message.name:
            lane = generation.lane(_reference(message.name, message.version))
            asked = lane.model.manifest
            models = tuple(
                each
                for each in models
                if each.name == asked.name and message.version in ("", str(each.version))
            )
        told = {"model_stats": [statistics(each, self._counters) for each in models]}
        return ParseDict(told, wire.ModelStatisticsResponse(), ignore_unknown_fields=True)

    def _index(self, message: wire.RepositoryIndexRequest, call: Call) -> Message:
        self._check_token(call)
        generation = self._serving.generation
        store = Store(Path(generation.plan.resolved.settings.registry))
        told = {"models": metadata.index(store, generation, message.ready)}
        return ParseDict(told, wire.RepositoryIndexResponse())

    def _load(self, message: wire.RepositoryModelLoadRequest, call: Call) -> Message:
        self._check_token(call)
        if message.parameters:
            raise refuse("load takes no parameters here: a model is what was published in the registry")
        asyncio.run(switching.switch(self._control, Load(message.model_name)))
        return wire.RepositoryModelLoadResponse()

    def _unload(self, message: wire.RepositoryModelUnloadRequest, call: Call) -> Message:
        self._check_token(call)
        asyncio.run(switching.switch(self._control, Unload(message.model_name)))
        return wire.RepositoryModelUnloadResponse()

    def _check_token(self, call: Call) -> None:
        expected = self._serving.generation.plan.resolved.settings.admin_token
        check_token(expected, call.metadata.get("authorization"))

    def _lane(self, message: Any) -> tuple[Lane, Generation]:
        generation = self._serving.generation  # read once
        return generation.lane(_reference(message.name, message.version)), generation


def _over_grpc(
    message: wire.ModelInferRequest,
    serving: Serving,
    generation: Generation,
    lane: Lane,
    ask: Ask,
    clock: Clock,
) -> tuple[Reply, int]:
    assert isinstance(ask.body, bytes), "grpc itself refuses what is too large"
    size, raw = len(ask.body), bool(message.raw_input_contents)
    expected_ns = work_ns(lane.model, 0 if raw else size, size if raw else 0)
    with turn(serving, ask, generation, expected_ns):
        clock.stop(QUEUE_NS)
        request, tensors = form.read(message)
        found = outputs(lane.model, request, tensors, generation.max_batch_rows, clock)
        told, raws = lane.model.v2.outputs.encoded(found.asked, found.answers)
        reply = Reply(200, lane.headers, form.written(lane.model.manifest, message.id, told, raws))
        clock.stop(OUTPUT_NS)
    return reply, found.rows


def _answered(kind: type[Message], answer: Answer, body: bytes, call: Call) -> Told:
    try:
        if len(body) > MOST_PLAIN_BYTES:
            raise refuse(f"expected a message of at most {MOST_PLAIN_BYTES} bytes, came {len(body)}")
        return Told(Reply(200, (), answer(_decoded(kind, body), call).SerializeToString()), None)
    except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer
        return Told(problem(error, call.request_id), type(error))


def _method(answer: Callable[[bytes, Call], Told]) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Bytes in and bytes out: what cannot be decoded is refused in our own words."""

    def handle(body: bytes, context: grpc.ServicerContext) -> bytes:
        call = _call(context)
        reply, refused = answer(body, call)
        headers = (*reply.headers, (HEADER, call.request_id))
        context.set_trailing_metadata(tuple((name.lower(), value) for name, value in headers))
        if refused is not None:
            words = msgspec.json.decode(reply.body)["error"]
            context.abort(_code(refused), words[: MOST_ASCII if words.isascii() else MOST_WIDE])
        return reply.body

    return grpc.unary_unary_rpc_method_handler(handle)


def _call(context: grpc.ServicerContext) -> Call:
    arrived_ns = perf_counter_ns()
    found = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
    left_s = context.time_remaining()
    timeout_ms = found.get("x-request-timeout-ms")
    if left_s is not None and left_s * 1000 < MAX_TIMEOUT_MS:
        left_ms = max(int(left_s * 1000), 1)
        shorter = timeout_ms is not None and not (timeout_ms.isdecimal() and int(timeout_ms) > left_ms)
        timeout_ms = timeout_ms if shorter else str(left_ms)  # what is no number is refused where it is read
    return Call(request_id(found.get("x-request-id")), found, timeout_ms, arrived_ns)


def _decoded(kind: type[Any], body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise MalformedBody(f"the request is no {kind.__name__}") from None


def _reference(name: str, version: str) -> str:
    return f"{name}@{version}" if version else name


def _code(refused: type[Exception]) -> grpc.StatusCode:
    return next(CODES[ancestor] for ancestor in refused.__mro__ if ancestor in CODES)


def start(serving: Serving, counters: Counters, control: str) -> Callable[[], object]:
    """Open the port, which the workers share.

    Returns:
        Closes it, and waits for the calls that have begun.
    """
    settings = serving.generation.plan.resolved.settings
    server = grpc.server(
        ThreadPoolExecutor(settings.threads, thread_name_prefix="grpc"),
        handlers=[Service(serving, counters, control).handler()],
        options=[
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.max_send_message_length", -1),  # rows are limited, and so is what a client takes
        ],
        maximum_concurrent_rpcs=MOST_OPEN,
    )
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    server.add_insecure_port(f"{host}:{settings.grpc_port}")
    server.start()
    return lambda: server.stop(GRACE_S).wait()
