"""The published clients of the Open Inference Protocol against a real server with two workers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import inspect
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from bench.process import ServerProcess
from server.settings import SHIPPED_REGISTRY
from tests import kserve_client
from tests.end_to_end.test_serving import call, workers_of
from tests.server.homemade import ROWS
from tests.server.v2.asking import IRIS_ROWS, LENGTH, homemade, iris, request

pytestmark = pytest.mark.usefixtures("untraced")
LOADED = ("random_forest", "words", "truths", "amount")
BROKEN = (OSError, http.client.HTTPException)
Ask = Callable[..., Any]
LEFT_OUT = ("shared_memory", "trace_settings", "log_settings", "plugin")
"""What this server does not offer; and what changes the client itself."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Shipped and homemade models; not all of them are loaded."""
    root = tmp_path_factory.mktemp("both") / "registry"
    shutil.copytree(SHIPPED_REGISTRY, root)
    homemade(root)
    with ServerProcess(workers=2, registry=root, models=LOADED) as running:
        yield running


@pytest.fixture(params=["sync", "aio"])
def ask(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Ask]:
    """Calls a method of the one client or of the other."""
    address = f"{server.host}:{server.port}"
    if request.param == "sync":
        with triton.InferenceServerClient(address) as client:
            yield lambda method, *args, **named: getattr(client, method)(*args, **named)
        return
    with asyncio.Runner() as runner:

        async def connect() -> Any:
            return triton_aio.InferenceServerClient(address)

        client = runner.run(connect())

        def one(method: str, *args: Any, **named: Any) -> Any:
            found = getattr(client, method)(*args, **named)
            return runner.run(found) if inspect.iscoroutine(found) else found

        yield one
        runner.run(client.close())


def admin(server: ServerProcess) -> dict[str, str]:
    """The header of whoever may decide."""
    return {"Authorization": f"Bearer {server.token}"}


def given(name: str, values: Any, binary: bool = True) -> Any:
    """An input as both clients take it."""
    datatype = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "object": "BYTES"}[values.dtype.name]
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def painted(*binary: bool) -> list[Any]:
    """The homemade rows, a column for each feature."""
    dtypes = {"weight": np.float32, "count": np.int64, "colour": object, "note": object}
    return [
        given(name, np.array([row[at] for row in ROWS], dtype).reshape(-1, 1), binary[at % len(binary)])
        for at, (name, dtype) in enumerate(dtypes.items())
    ]


def test_every_method_of_the_client_is_called_here() -> None:
    """A new one of a later version has to be looked at."""
    tests = Path(__file__).read_text("utf-8")
    for client in (triton.InferenceServerClient, triton_aio.InferenceServerClient):
        methods = [name for name in dir(client) if name[0] != "_" and callable(getattr(client, name))]
        assert "infer" in methods
        offered = [name for name in methods if not any(part in name for part in LEFT_OUT)]
        assert [name for name in offered if f'"{name}"' not in tests and f".{name}(" not in tests] == []


def test_what_the_server_tells(ask: Ask) -> None:
    """Health, metadata, configuration and statistics, with and without a version."""
    assert ask("is_server_live")
    assert ask("is_server_ready")
    assert ask("is_model_ready", "words")
    assert ask("is_model_ready", "words", "1")
    assert not ask("is_model_ready", "words", "2")
    assert not ask("is_model_ready", "xgboost")
    assert "binary_tensor_data" in ask("get_server_metadata")["extensions"]
    for version in ("", "1"):
        said = ask("get_model_metadata", "words", version)
        assert [each["datatype"] for each in said["inputs"]] == ["FP32", "INT64", "BYTES", "BYTES"]
        assert ask("get_model_config", "words", version)["max_batch_size"] == 0
        (stats,) = ask("get_inference_statistics", "words", version)["model_stats"]
        assert stats["inference_stats"].keys() >= {"success", "fail", "queue", "compute_infer"}
    assert len(ask("get_inference_statistics")["model_stats"]) == len(LOADED) + 1


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [None, True, False])
def test_a_matrix(ask: Ask, server: ServerProcess, binary_in: bool, binary_out: bool | None) -> None:
    """Arrays in, arrays out, the numbers of a native request; by default all of it is binary."""
    names = ("probabilities", "label")
    wanted = None
    if binary_out is not None:
        wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    found = ask(
        "infer", "random_forest", [given("input", IRIS_ROWS, binary_in)], outputs=wanted, request_id="seven"
    )
    native = json.dumps({"instances": IRIS_ROWS.tolist()}).encode()
    path = "/models/random_forest/predict/batch?probabilities=true"
    expected = json.loads(call(server, "POST", path, native)[2])
    assert found.as_numpy("probabilities").tolist() == expected["probabilities"]
    labels = [each.decode() if isinstance(each, bytes) else each for each in found.as_numpy("label")]
    assert labels == expected["predictions"]
    said = found.get_response()
    assert (said["id"], said["model_name"], said["model_version"]) == ("seven", "random_forest", "1")
    if wanted:
        assert [each["name"] for each in said["outputs"]] == list(names)


@pytest.mark.parametrize("forms", [(True,), (False,), (True, False), (False, True)])
def test_columns_with_strings(ask: Ask, forms: tuple[bool, ...]) -> None:
    """In any mixture of forms."""
    assert ask("infer", "truths", painted(*forms)).as_numpy("label").tolist() == [True, False, True]
    found = ask("infer", "words", painted(*forms))
    assert found.as_numpy("label").tolist() == [b"yes", b"no", b"yes"]
    assert ask("infer", "amount", painted(*forms)).as_numpy("value").tolist() == [[6.0], [-78.5], [159.0]]


@pytest.mark.parametrize("packed", ["gzip", "deflate", None])
@pytest.mark.parametrize("answered", ["gzip", "deflate", None])
def test_compression(ask: Ask, packed: str | None, answered: str | None) -> None:
    """Either way, and both."""
    found = ask(
        "infer",
        "random_forest",
        [given("input", IRIS_ROWS)],
        request_compression_algorithm=packed,
        response_compression_algorithm=answered,
    )
    assert found.as_numpy("label").tolist() == [b"setosa", b"virginica", b"versicolor"]


def test_options_of_a_request(ask: Ask) -> None:
    """Classes, priority, timeout, parameters of one's own, an empty batch."""
    best = triton.InferRequestedOutput("probabilities", class_count=1)
    rest = {"priority": 1, "timeout": 5000, "parameters": {"mine": "x"}, "model_version": "1"}
    found = ask("infer", "random_forest", [given("input", IRIS_ROWS)], outputs=[best], **rest)
    texts = [text.decode().split(":", 1)[1] for text in found.as_numpy("probabilities")[:, 0].tolist()]
    assert texts == ["0:setosa", "2:virginica", "1:versicolor"]
    empty = ask("infer", "random_forest", [given("input", IRIS_ROWS[:0])])
    assert empty.as_numpy("probabilities").shape == (0, 3)


def test_bodies_made_by_the_client(server: ServerProcess) -> None:
    """Sent by other means, and what came back read by the client again."""
    body, size = triton.InferenceServerClient.generate_request_body([given("input", IRIS_ROWS)])
    made = triton_aio.InferenceServerClient.generate_request_body([given("input", IRIS_ROWS)])
    assert made == (body, size)
    extra = {"Inference-Header-Content-Length": str(size)}
    path = "/v2/models/random_forest/infer"
    status, headers, answer = call(server, "POST", path, body, **extra)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    for client in (triton.InferenceServerClient, triton_aio.InferenceServerClient):
        found = client.parse_response_body(answer, header_length=int(headers[LENGTH.lower()]))
        assert found.as_numpy("label").tolist() == [b"setosa", b"virginica", b"versicolor"]


def test_many_at_once(server: ServerProcess) -> None:
    """Each answer goes to the request that it is of."""
    with triton.InferenceServerClient(f"{server.host}:{server.port}", concurrency=4) as client:
        asked = [
            client.async_infer("random_forest", [given("input", IRIS_ROWS[at % 3 :][:1])], request_id=str(at))
            for at in range(20)
        ]
        labels = [b"setosa", b"virginica", b"versicolor"]
        for at, each in enumerate(asked):
            found = each.get_result()
            assert found.get_response()["id"] == str(at)
            assert found.as_numpy("label").tolist() == [labels[at % 3]]
        client.close()


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        ("none", IRIS_ROWS, "no model 'none' is loaded"),
        ("random_forest", IRIS_ROWS.astype(np.float64), "expected FP32"),
        ("random_forest", IRIS_ROWS[:, :3], "expected shape [rows, 4], came [3, 3]"),
        ("random_forest", -IRIS_ROWS, "row 0: sepal_length"),
        ("words", IRIS_ROWS, "expected each of the inputs weight, count, colour, note once"),
    ],
)
def test_the_client_tells_why(ask: Ask, model: str, values: Any, words: str) -> None:
    """The words of a refusal are those of the exception."""
    with pytest.raises(InferenceServerException) as refusal:
        ask("infer", model, [given("input", values)])
    assert words in refusal.value.message()


def test_models_come_and_go_in_all_workers(ask: Ask, server: ServerProcess) -> None:
    """When the call returns, whichever worker is asked has it, or has it no more."""
    token = admin(server)
    index = {each["name"]: each["state"] for each in ask("get_model_repository_index", headers=token)}
    assert (index["xgboost"], index["words"]) == ("UNAVAILABLE", "READY")
    ask("load_model", "xgboost", headers=token)
    assert {call(server, "GET", "/v2/models/xgboost/ready")[0] for _ in range(20)} == {200}
    assert ask("infer", "xgboost", [given("input", IRIS_ROWS)]).as_numpy("label")[0] == b"setosa"
    ask("unload_model", "xgboost", headers=token)
    assert {call(server, "GET", "/v2/models/xgboost/ready")[0] for _ in range(20)} == {404}
    for method, model, words in (
        ("load_model", "none", "no model 'none' in the registry"),
        ("load_model", "a b", "is not a model name"),
        ("unload_model", "heuristic", "/predict answers with it"),
        ("unload_model", "xgboost", "is not loaded"),
    ):
        with pytest.raises(InferenceServerException) as refusal:
            ask(method, model, headers=token)
        assert words in refusal.value.message()
    with pytest.raises(InferenceServerException, match="Bearer"):
        ask("unload_model", "words")
    assert ask("is_model_ready", "words")


def test_kserves_client(server: ServerProcess, tmp_path: Path) -> None:
    """Health, JSON and binary inference, and the words of a refusal."""
    kserve_client.install(tmp_path)
    script = (Path(__file__).parent / "kserve_calls.py").read_text("utf-8")
    told = json.loads(kserve_client.run(tmp_path, script, server.url))
    assert [told[name] for name in ("live", "ready", "model ready", "other ready")] == [True] * 3 + [False]
    for model, labels in (("random_forest", ["setosa", "virginica"]), ("words", ["yes", "yes"])):
        assert told[f"{model} True"] == told[f"{model} False"]
        assert told[f"{model} True"][:4] == [model, "seven", ["probabilities", "label"], labels]
    assert "expected each of the inputs weight" in told["refused"]


def counted(server: ServerProcess, model: str = "random_forest") -> list[int]:
    """Whatever the statistics of a model count."""
    (told,) = json.loads(call(server, "GET", f"/v2/models/{model}/stats")[2])["model_stats"]
    spent = told["inference_stats"]
    times = [
        each[unit] for name, each in sorted(spent.items()) if "cache" not in name for unit in ("count", "ns")
    ]
    return [told["inference_count"], told["execution_count"], told["last_inference"], *times]


def listening(server: ServerProcess) -> set[int]:
    """Process numbers of the workers that answer."""
    found = set()
    for pid in workers_of(server):
        with contextlib.suppress(psutil.Error):
            if any(each.status == psutil.CONN_LISTEN for each in psutil.Process(pid).net_connections()):
                found.add(pid)
    return found


def test_statistics_never_run_backwards(server: ServerProcess) -> None:
    """Summed over workers that are busy, through the death of one; nothing answered is lost."""
    body, headers = request(iris("binary"))
    before = counted(server)
    answered: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            try:
                status = call(server, "POST", "/v2/models/random_forest/infer", body, **headers)[0]
            except BROKEN:
                continue  # the worker that was killed had it
            answered.append(status)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    polls = [before]
    killed = min(workers_of(server))
    gone = False
    end = time.monotonic() + 30
    while time.monotonic() < end and (len(polls) < 60 or len(listening(server) - {killed}) < 2):
        if len(polls) == 20 and not gone:
            os.kill(killed, signal.SIGKILL)
            gone = True
        with contextlib.suppress(*BROKEN):
            polls.append(counted(server))
    over.set()
    for thread in threads:
        thread.join()
    after = {tuple(counted(server)) for _ in range(8)}
    assert len(listening(server) - {killed}) == 2, "it was replaced"
    assert len(after) == 1, "whichever worker is asked"
    polls.append(list(after.pop()))
    for earlier, later in pairwise(polls):
        assert all(one <= two for one, two in zip(earlier, later, strict=True))
    assert set(answered) == {200}
    rows = polls[-1][0] - before[0]
    assert len(answered) * 3 <= rows <= len(answered) * 3 + 9, "at most what was under way in the killed one"


def test_the_server_outlives_what_is_malformed(server: ServerProcess) -> None:
    """Lengths that lie, bytes that are no path, too long a body: refused, and the same workers answer on."""
    before = workers_of(server)
    body, headers = request(iris("binary"))
    path = "/v2/models/random_forest/infer"
    for wrong, length in ((body + b"x", headers[LENGTH]), (body, "x"), (body, "-1"), (body, "9" * 30)):
        status, _, answer = call(server, "POST", path, wrong, **{LENGTH: length})
        assert (status, list(json.loads(answer))) == (400, ["error"])
    for raw in ("/v2/models/%ff/infer", "/v2/models/%00/infer", "/v2/models//infer", "/v2/%ff"):
        status, told, answer = call(server, "POST", raw, body)
        assert status in (404, 405)
        assert (told["content-type"], list(json.loads(answer))) == ("application/json", ["error"])
    status, told, answer = call(server, "POST", path, b" " * (3 << 20))
    assert (status, told["content-type"], list(json.loads(answer))) == (400, "application/json", ["error"])
    assert call(server, "POST", path, body, **headers)[0] == 200
    assert workers_of(server) == before
