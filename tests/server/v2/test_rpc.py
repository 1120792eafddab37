"""Calls over gRPC to a worker's service in this process: what goes wrong, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter_ns
from typing import Any

import grpc
import numpy as np
import pytest

from server.counters import INFER, Counters
from server.generation import Serving
from server.seen import OK, REFUSED, Seen
from server.v2 import metadata, rpc
from server.v2.wire import form
from server.v2.wire import inference_pb2 as wire
from tests.end_to_end.test_serving import free_port
from tests.server.application import TOKEN, serve

ROW = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
FAR_NS = 60 * 1_000_000_000


class Worker:
    """A service that is started, and a channel to it."""

    def __init__(self, counters: Counters, **settings: Any) -> None:
        port = free_port()
        self.serving: Serving = serve(api_host="127.0.0.1", grpc_port=port, **settings)
        self.stop = rpc.start(self.serving, counters, "\0no-supervisor")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, name: str, message: Any = b"", **options: Any) -> bytes:
        """The bytes of the answer."""
        body = message if isinstance(message, bytes) else message.SerializeToString()
        method: Any = self.channel.unary_unary(f"/{rpc.SERVICE}/{name}")
        answer: bytes = method(body, timeout=options.pop("timeout", 10), **options)
        return answer


@pytest.fixture
def start(counters: Counters) -> Iterator[Callable[..., Worker]]:
    """Workers with the settings given."""
    started: list[Worker] = []

    def one(**settings: Any) -> Worker:
        started.append(Worker(counters, **settings))
        return started[-1]

    yield one
    for worker in started:
        worker.channel.close()
        worker.stop()


def question(rows: np.ndarray[Any, Any] = ROW, model: str = "random_forest") -> wire.ModelInferRequest:
    """For a label, of raw rows."""
    message = wire.ModelInferRequest(model_name=model, raw_input_contents=[rows.tobytes()])
    message.inputs.add(name="input", datatype="FP32", shape=rows.shape)
    message.outputs.add(name="label")
    return message


def refusal(worker: Worker, name: str, message: Any = b"", **options: Any) -> tuple[grpc.StatusCode, str]:
    """Code and text of an error."""
    with pytest.raises(grpc.RpcError) as caught:
        worker.call(name, message, **options)
    found: Any = caught.value
    return found.code(), found.details()


def test_calls_are_counted_like_requests(start: Callable[..., Worker], counters: Counters) -> None:
    """By model, with their rows; what is refused, too."""
    worker = start()
    worker.call("ModelInfer", question(np.repeat(ROW, 3, axis=0)))
    refusal(worker, "ModelInfer", question(ROW[:, :3]))
    (planned,) = [m for m in worker.serving.generation.plan.models if m.name == "random_forest"]
    seen = Seen(counters.sums(planned.series))
    assert (seen.answers(INFER, OK), seen.answers(INFER, REFUSED)) == (1, 1)
    answer = wire.ModelStatisticsResponse.FromString(
        worker.call("ModelStatistics", wire.ModelStatisticsRequest(name="random_forest", version="1"))
    )
    assert [each.inference_count for each in answer.model_stats] == [3]
    everything = wire.ModelStatisticsResponse.FromString(worker.call("ModelStatistics"))
    assert len(everything.model_stats) == 4


def test_what_is_no_message(start: Callable[..., Worker]) -> None:
    """Told in our words, for every call."""
    worker = start()
    for name in ("ModelInfer", "ModelMetadata"):
        code, words = refusal(worker, name, b"\xff")
        assert (code, words) == (grpc.StatusCode.INVALID_ARGUMENT, f"the request is no {name}Request")


def test_a_message_that_is_heavier_than_what_it_says(start: Callable[..., Worker]) -> None:
    """It is refused before a parser makes an object of every two bytes."""
    worker = start()
    code, words = refusal(worker, "ModelInfer", b"\x2a\x00" * 100_000)
    assert (code, words[:16]) == (grpc.StatusCode.INVALID_ARGUMENT, "expected at most")
    code, words = refusal(worker, "RepositoryModelLoad", b"\x1a\x00" * 100_000)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert words == "expected a message of at most 65536 bytes, came 200000"


def test_the_token(start: Callable[..., Worker]) -> None:
    """Closed without one on the server; else only its holder gets further, which here is to nobody."""
    closed, open_ = start(), start(admin_token=TOKEN)
    held = [("authorization", f"Bearer {TOKEN}")]
    for name in ("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"):
        assert refusal(closed, name, metadata=held)[0] is grpc.StatusCode.PERMISSION_DENIED
        assert refusal(open_, name)[0] is grpc.StatusCode.UNAUTHENTICATED
    for name in ("RepositoryModelLoad", "RepositoryModelUnload"):
        code, words = refusal(open_, name, metadata=held)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "the supervisor" in words


def test_our_own_faults_are_told_to_the_log_only(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A planted one, in inference and elsewhere."""

    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    worker = start()
    monkeypatch.setattr(form, "written", fail)
    monkeypatch.setattr(metadata, "server", fail)
    for name, message in (("ModelInfer", question()), ("ServerMetadata", b"")):
        caplog.clear()
        code, words = refusal(worker, name, message, metadata=[("x-request-id", f"of-{name}")])
        assert code is grpc.StatusCode.INTERNAL
        assert "secret" not in words
        assert f"request of-{name}" in caplog.text
        assert "a secret" in caplog.text


def test_errors_fit_into_a_header(start: Callable[..., Worker]) -> None:
    """However many values are wrong, and whatever is in the text."""
    worker = start()
    code, words = refusal(worker, "ModelInfer", question(np.full((100, 4), np.nan, np.float32)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words.startswith("row 0: sepal_length: expected a number")
    code, words = refusal(worker, "ModelInfer", question(model="\N{PILE OF POO}" * 500))
    assert code is grpc.StatusCode.NOT_FOUND


def test_the_deadline(start: Callable[..., Worker]) -> None:
    """The call's own, or the header's; what cannot be kept is refused before any work."""
    worker = start(request_timeout_ms=1)
    many = question(np.repeat(ROW, 10_000, axis=0))
    for options in ({}, {"metadata": [("x-request-timeout-ms", "1")]}):
        worker.serving.line._pace = 1.0
        code, words = refusal(worker, "ModelInfer", many, timeout=None, **options)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "deadline" in words
    assert worker.call("ModelInfer", many, timeout=60)
    code, words = refusal(
        worker, "ModelInfer", question(), timeout=None, metadata=[("x-request-timeout-ms", "soon")]
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "came 'soon'" in words


def test_a_message_over_the_cap(start: Callable[..., Worker]) -> None:
    """grpc itself refuses it, packed or not, before any of our code sees it."""
    worker = start(max_body_bytes=4096)
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        code, _ = refusal(
            worker, "ModelInfer", question(np.repeat(ROW, 1000, axis=0)), compression=compression
        )
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert worker.call("ModelInfer", question())


def test_calls_that_have_begun_are_answered_while_the_worker_stops(start: Callable[..., Worker]) -> None:
    """One that waits for its turn is answered; one that comes after the end began is not."""
    worker = start()
    line, many = worker.serving.line, question(np.repeat(ROW, 10_000, axis=0))
    with ThreadPoolExecutor(2) as threads:
        with line.turn(1e9, perf_counter_ns() + FAR_NS):
            waiting: Future[bytes] = threads.submit(worker.call, "ModelInfer", many, timeout=60)
            while len(line._places) < 2:
                threading.Event().wait(0.01)
            stopped = threads.submit(worker.stop)
            while True:  # until the port is closed
                try:
                    worker.call("ServerLive")
                except grpc.RpcError:
                    break
        answer = wire.ModelInferResponse.FromString(waiting.result())
        assert answer.outputs[0].shape == [10_000]
        stopped.result()
