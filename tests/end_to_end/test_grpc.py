"""The protocol over gRPC on a real server with two workers, through its published client."""

from __future__ import annotations

import json
import os
import queue
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, service_pb2
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from bench.errors import ServerDied
from bench.process import ServerProcess
from registry.store import Store
from server.settings import SHIPPED_REGISTRY
from tests.end_to_end.test_serving import call, free_port, workers_of

HOST = "127.0.0.1"
MODELS = ("heuristic", "decision_tree", "random_forest", "xgboost")
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.7, 5.1, 1.6]], np.float32)


class Server(ServerProcess):
    """With a second port."""

    def __init__(self, **settings: Any) -> None:
        self.grpc_port = free_port()
        super().__init__(**{"workers": 2, "grpc_port": self.grpc_port, **settings})

    @property
    def target(self) -> str:
        """Address of the second port."""
        return f"{HOST}:{self.grpc_port}"

    @property
    def token_header(self) -> dict[str, str]:
        """What opens the repository."""
        return {"authorization": f"Bearer {self.token}"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Everything at its default."""
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    """The published one."""
    with InferenceServerClient(server.target) as connected:
        yield connected


def given(rows: np.ndarray[Any, Any] = ROWS) -> list[Any]:
    """The one input of the shipped models."""
    tensor = InferInput("input", list(rows.shape), np_to_triton_dtype(rows.dtype))
    tensor.set_data_from_numpy(rows)
    return [tensor]


def by_rest(server: Server, model: str, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The outputs by name, over the other port."""
    datatype = np_to_triton_dtype(rows.dtype)
    tensor = {"name": "input", "datatype": datatype, "shape": rows.shape, "data": rows.tolist()}
    status, _, body = call(
        server, "POST", f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode()
    )
    assert status == 200, body
    return {each["name"]: each["data"] for each in json.loads(body)["outputs"]}


def test_server_and_models_tell_of_themselves(server: Server, client: Any) -> None:
    """Live, ready, and what REST says, in messages."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("xgboost")
    assert client.is_model_ready("xgboost", "1")
    assert not client.is_model_ready("nobody")
    for path, said in [
        ("/v2", client.get_server_metadata(as_json=True)),
        ("/v2/models/xgboost", client.get_model_metadata("xgboost", as_json=True)),
    ]:
        expected = json.loads(call(server, "GET", path)[2])
        for tensor in (*expected.get("inputs", ()), *expected.get("outputs", ())):
            tensor["shape"] = list(map(str, tensor["shape"]))  # as protobuf has numbers of 64 bits in JSON
        assert said == expected
    config = client.get_model_config("xgboost").config
    assert (config.name, config.platform, config.backend) == ("xgboost", "onnx_onnxv1", "onnxruntime")
    assert [list(each.dims) for each in config.input] == [[-1, 4]]
    assert list(config.version_policy.specific.versions) == [1]


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_rest(server: Server, client: Any, model: str) -> None:
    """Bit for bit, on the golden rows; as they were trained, that is."""
    golden = Store(Path(SHIPPED_REGISTRY)).read(model, 1).golden
    (about,) = client.get_model_metadata(model).inputs
    rows = np.array(golden.inputs, triton_to_np_dtype(about.datatype))
    answer = client.infer(model, given(rows), request_id="mine")
    expected = by_rest(server, model, rows)
    assert answer.as_numpy("label").astype(str).tolist() == expected["label"] == list(golden.labels)
    if "probabilities" in expected:
        dtype = answer.as_numpy("probabilities").dtype
        assert answer.as_numpy("probabilities").ravel().tolist() == [
            dtype.type(number) for number in expected["probabilities"]
        ]
    message = answer.get_response()
    assert (message.id, message.model_name, message.model_version) == ("mine", model, "1")


def test_typed_contents_are_answered_like_raw_ones(server: Server, client: Any) -> None:
    """The client sends raw bytes only; others do not."""
    request = service_pb2.ModelInferRequest(model_name="xgboost", model_version="1")
    tensor = request.inputs.add(name="input", datatype="FP32", shape=ROWS.shape)
    tensor.contents.fp32_contents.extend(ROWS.ravel())
    with grpc.insecure_channel(server.target) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert answer.raw_output_contents == client.infer("xgboost", given()).get_response().raw_output_contents
    assert answer.id == ""


def test_outputs_in_the_asked_order(client: Any) -> None:
    """Some of them; and classes by probability."""
    wanted = [InferRequestedOutput("probabilities"), InferRequestedOutput("label")]
    answer = client.infer("xgboost", given(), outputs=wanted).get_response()
    assert [each.name for each in answer.outputs] == ["probabilities", "label"]
    only = client.infer("xgboost", given(), outputs=wanted[1:])
    assert [each.name for each in only.get_response().outputs] == ["label"]
    assert only.as_numpy("label").tolist() == [b"setosa", b"versicolor"]
    top = client.infer("xgboost", given(), outputs=[InferRequestedOutput("probabilities", class_count=1)])
    assert [text.split(b":")[1:] for text in top.as_numpy("probabilities").ravel()] == [
        [b"0", b"setosa"],
        [b"1", b"versicolor"],
    ]
    nothing = client.infer("xgboost", given(ROWS[:0]))
    assert nothing.as_numpy("probabilities").shape == (0, 3)


def test_statistics_are_the_sum_over_the_workers(server: Server, client: Any) -> None:
    """Whichever worker is asked, over whichever port."""
    before = client.get_inference_statistics("random_forest").model_stats[0]
    for _ in range(12):
        with InferenceServerClient(server.target) as another:
            another.infer("random_forest", given())
    after = client.get_inference_statistics("random_forest").model_stats[0]
    assert after.inference_count - before.inference_count == 24
    assert after.inference_stats.success.count - before.inference_stats.success.count == 12
    told = json.loads(call(server, "GET", "/v2/models/random_forest/stats")[2])["model_stats"][0]
    assert (told["inference_count"], told["execution_count"]) == (
        after.inference_count,
        after.execution_count,
    )
    assert len(client.get_inference_statistics().model_stats) == len(MODELS)


@pytest.mark.parametrize(
    ("model", "rows", "code", "words"),
    [
        ("nobody", ROWS, "NOT_FOUND", "no model 'nobody' is loaded"),
        ("xgboost", ROWS[:, :3], "INVALID_ARGUMENT", r"expected shape \[rows, 4\], came \[2, 3\]"),
        ("xgboost", -ROWS, "INVALID_ARGUMENT", "row 0: sepal_length: expected a number from"),
        ("xgboost", np.zeros((10_001, 4), np.float32), "INVALID_ARGUMENT", "at most 10000 rows"),
        ("xgboost", np.zeros((200_000, 4), np.float32), "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_errors_are_told(client: Any, model: str, rows: np.ndarray[Any, Any], code: str, words: str) -> None:
    """In the exception that the client raises."""
    with pytest.raises(InferenceServerException, match=words) as caught:
        client.infer(model, given(rows))
    assert caught.value.status() == f"StatusCode.{code}"


def test_other_calls_are_not_there(client: Any) -> None:
    """Streams, shared memory, traces."""
    with pytest.raises(InferenceServerException) as caught:
        client.get_system_shared_memory_status()
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    streamed: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: streamed.put(error))
    assert streamed.get(timeout=10).status() == "StatusCode.UNIMPLEMENTED"
    client.stop_stream()


def test_the_repository(server: Server, client: Any) -> None:
    """Its index, and models that go and come, on all workers; the load of another file is refused."""
    header = server.token_header
    with pytest.raises(InferenceServerException, match="Bearer") as caught:
        client.get_model_repository_index()
    assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
    client.unload_model("decision_tree", headers=header)
    index = client.get_model_repository_index(headers=header).models
    states = {each.name: each.state for each in index}
    assert states == {**dict.fromkeys(MODELS, "READY"), "decision_tree": "UNAVAILABLE"}
    with pytest.raises(InferenceServerException, match="takes no parameters") as caught:
        client.load_model("decision_tree", headers=header, config="{}")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    client.load_model("decision_tree", headers=header)
    assert client.is_model_ready("decision_tree")
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("nobody", headers=header)
    assert caught.value.status() == "StatusCode.FAILED_PRECONDITION"


def test_after_a_load_no_worker_answers_with_an_older_generation(server: Server, client: Any) -> None:
    """On connections from before, which are to both workers, and on new ones."""
    request = service_pb2.ModelInferRequest(model_name="xgboost", raw_input_contents=[ROWS.tobytes()])
    request.inputs.add(name="input", datatype="FP32", shape=ROWS.shape)

    def generation(channel: grpc.Channel) -> int:
        _, done = GRPCInferenceServiceStub(channel).ModelInfer.with_call(request)
        told = dict(done.trailing_metadata())
        assert (told["x-model-name"], told["x-model-version"]) == ("xgboost", "1")
        return int(told["x-model-generation"])

    # Each a connection of its own.
    own = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(server.target, own) for _ in range(12)]
    before = {generation(channel) for channel in channels}
    client.load_model("xgboost", headers=server.token_header)
    channels += [grpc.insecure_channel(server.target, own) for _ in range(12)]
    after = {generation(channel) for channel in channels}
    assert len(before) == len(after) == 1
    assert after.pop() > before.pop()
    for channel in channels:
        channel.close()


def test_the_port_is_checked_at_the_start(server: Server) -> None:
    """One that is taken, and one for both."""
    with (
        pytest.raises(ServerDied, match=r"cannot listen on .*: Address already in use; set MPS_GRPC_PORT"),
        Server(grpc_port=server.grpc_port),
    ):
        pass
    port = free_port()
    with (
        pytest.raises(ServerDied, match=f"MPS_GRPC_PORT and MPS_API_PORT are both {port}"),
        Server(grpc_port=port, api_port=port),
    ):
        pass


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_call_that_has_begun_outlives_the_request_to_stop(interface: str) -> None:
    """It takes about a second; the worker is told to stop as soon as it is busy with it."""
    rows = np.repeat(ROWS, 100_000, axis=0)
    large = {"max_body_bytes": 1 << 26, "max_batch_rows": len(rows), "request_timeout_ms": 60_000}
    with (
        Server(interface=interface, workers=1, **large) as server,
        InferenceServerClient(server.target) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        (worker,) = map(psutil.Process, workers_of(server))
        spent_s = worker.cpu_times().user
        answer = threads.submit(client.infer, "random_forest", given(rows))
        while worker.cpu_times().user < spent_s + 0.1:
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGTERM)
        assert not answer.done()
        assert answer.result().as_numpy("label").shape == (len(rows),)
        main, end = psutil.Process(server.pid), time.monotonic() + 15
        while main.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            time.sleep(0.05)  # a second signal would cut it short
    assert server.exit_code == 0


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port needs it, and the refusal is one line; without the port nothing does."""
    (tmp_path / "grpc.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    refused = Server()
    with pytest.raises(ServerDied), refused:
        pass
    assert refused.exit_code == 1
    said = "MPS_GRPC_PORT is set, but gRPC is not installed: pip install 'ml-production-service[grpc]'"
    assert refused.stderr.splitlines() == [f"mps serve: {said}"]
    with Server(grpc_port=None, workers=1) as plain:
        assert call(plain, "GET", "/v2")[0] == 200
