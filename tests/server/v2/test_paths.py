"""What the protocol's other paths answer, and what every one of them says when it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from server import front
from server.counters import (
    EXECUTIONS,
    FAILED_NS,
    INFER_NS,
    INFERRED_ROWS,
    INPUT_NS,
    LATEST_MS,
    OUTPUT_NS,
    QUEUE_NS,
    Counters,
)
from server.reading import BodyReader
from server.seen import Seen
from tests.server.application import IRIS, TOKEN, Client, serve
from tests.server.test_front import ask, environ
from tests.server.v2.asking import IRIS_ROWS, infer, iris, refused

ADMIN = {"Authorization": f"Bearer {TOKEN}"}


def test_the_server_tells_what_it_is(client: Client) -> None:
    """Name, version, and the extensions that it has and no others."""
    answer = client.get("/v2")
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert (said["name"], list(said)) == ("ml-production-service", ["name", "version", "extensions"])
    assert set(said["extensions"]) == {
        *("classification", "model_repository", "model_configuration", "binary_tensor_data"),
        *("parameters", "statistics"),
    }


def test_health_as_every_client_reads_it(connect: Callable[..., Client]) -> None:
    """By status or by body; a worker that no switch would reach is alive but not ready."""
    serving = serve()
    client = connect(serving)
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True, "live": True}
    assert client.get("/v2/models/xgboost/ready").json() == {"name": "xgboost", "ready": True}
    serving.attached = False
    for path in ("/v2/health/ready", "/v2/models/xgboost/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert client.get("/v2/health/live").status_code == 200


def test_a_matrix_model_in_the_protocols_words(client: Client) -> None:
    """One input of all features; the datatypes are those of the graph."""
    assert client.get("/v2/models/random_forest/versions/1").json() == {
        "name": "random_forest",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
        ],
    }
    assert client.get("/v2/models/heuristic").json()["inputs"][0]["datatype"] == "FP64"


def test_a_columns_model_in_the_protocols_words(painted: Client) -> None:
    """One input for each feature, each with its datatype; metadata and configuration agree."""
    said = painted.get("/v2/models/truths").json()
    kinds = [(each["name"], each["datatype"], each["shape"]) for each in said["inputs"]]
    assert kinds == [
        ("weight", "FP32", [-1, 1]),
        ("count", "INT64", [-1, 1]),
        ("colour", "BYTES", [-1, 1]),
        ("note", "BYTES", [-1, 1]),
    ]
    assert [each["datatype"] for each in said["outputs"]] == ["BOOL", "FP32"]
    config = painted.get("/v2/models/truths/config").json()
    assert (config["name"], config["max_batch_size"]) == ("truths", 0)
    assert [each["data_type"] for each in config["input"]] == [
        *("TYPE_FP32", "TYPE_INT64", "TYPE_STRING", "TYPE_STRING")
    ]
    assert [each["dims"] for each in config["output"]] == [[-1], [-1, 2]]
    assert painted.get("/v2/models/amount").json()["outputs"] == [
        {"name": "value", "datatype": "FP32", "shape": [-1, 1]}
    ]
    assert [each["name"] for each in painted.get("/v2/models/unsure").json()["outputs"]] == ["label"]


def test_models_are_listed(client: Client) -> None:
    """By name."""
    names = ["decision_tree", "heuristic", "random_forest", "xgboost"]
    assert client.get("/v2/models").json() == {"models": names}


def test_statistics_count_what_was_done(client: Client, counters: Counters) -> None:
    """Rows, runs, and times of parts that add up; what failed is apart, native requests are not counted."""
    for _ in range(3):
        infer(client, "xgboost", iris("binary"))
    infer(client, "xgboost", iris(rows=IRIS_ROWS[:0]))
    refused(infer(client, "xgboost", iris(rows=-IRIS_ROWS)))
    client.post("/models/xgboost/predict", json=IRIS)
    (told,) = client.get("/v2/models/xgboost/stats").json()["model_stats"]
    assert (told["name"], told["version"]) == ("xgboost", "1")
    assert (told["inference_count"], told["execution_count"]) == (9, 3)
    assert told["last_inference"] > 1_700_000_000_000
    spent = told["inference_stats"]
    parts = [spent[name] for name in ("queue", "compute_input", "compute_infer", "compute_output")]
    assert [each["count"] for each in [spent["success"], *parts]] == [4] * 5
    assert all(each["ns"] > 0 for each in parts)
    assert spent["success"]["ns"] == sum(each["ns"] for each in parts)
    assert spent["fail"]["count"] == 1
    assert spent["fail"]["ns"] > 0
    every = client.get("/v2/models/stats").json()["model_stats"]
    assert [each for each in every if each["name"] == "xgboost"] == [told]
    assert sorted(each["name"] for each in every) == client.get("/v2/models").json()["models"]
    assert client.get("/v2/models/xgboost/versions/1/stats").json() == {"model_stats": [told]}


def test_a_slow_part_is_told_as_that_part(counters: Counters) -> None:
    """Each time goes to its own place in the sum, and runs are summed over the desks of all threads."""
    parts = (EXECUTIONS, INFERRED_ROWS, QUEUE_NS, INPUT_NS, INFER_NS, OUTPUT_NS, FAILED_NS)
    for times in (1, 10):
        counters.note_all(2, {which: times * (place + 1) for place, which in enumerate(parts)}, times)
        counters._desk()  # somebody else's from now on
    seen = Seen(counters.sums(2))
    assert [seen.note(which) for which in parts] == [11 * (place + 1) for place in range(len(parts))]
    assert seen.note(LATEST_MS) == 10, "the one that is no sum"


REFUSED = [
    ("GET", "/v2/nope", 404),
    ("GET", "/v2/models/xgboost/nope", 404),
    ("GET", "/v2/models/none", 404),
    ("GET", "/v2/models/none/ready", 404),
    ("GET", "/v2/models/none/config", 404),
    ("GET", "/v2/models/none/stats", 404),
    ("GET", "/v2/models/xgboost/versions/7", 404),
    ("GET", "/v2/models/xgboost/infer", 405),
    ("POST", "/v2/models/xgboost/ready", 405),
    ("DELETE", "/v2", 405),
    ("POST", "/v2/models/xgboost/infer", 400),
    ("POST", "/v2/models/x%2fy/infer", 404),
    ("POST", f"/v2/models/{'x' * 600}/infer", 404),
    ("GET", "/v2/systemsharedmemory/status", 404),
    ("GET", "/v2/trace/setting", 404),
    ("GET", "/v2/repository/index", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED)
def test_every_refusal_has_the_protocols_shape(client: Client, method: str, path: str, status: int) -> None:
    """``{"error": ...}`` and nothing else, declared as JSON exactly; what the framework refuses, too."""
    refused(client.request(method, path, headers=ADMIN), status=status)


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/models/xgboost/infer", "/v2/nope", "/v2"])
def test_a_body_over_the_cap(connect: Callable[..., Client], path: str) -> None:
    """Refused in the same shape."""
    response = connect(admin_token=TOKEN, max_body_bytes=1024).post(path, content=b" " * 2000, headers=ADMIN)
    assert 400 <= response.status_code < 500
    refused(response, status=response.status_code)


def test_what_never_reaches_the_application(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that ends too early, and a server that is still starting, are told in the same shape."""
    monkeypatch.setattr(front, "BUILD_S", 0.01)
    built = threading.Event()
    slow = front.Front(built.wait, serve(), counters, BodyReader(100, 16))
    for request, status in (
        (environ("/v2/models/xgboost/infer", b"{", CONTENT_LENGTH="50"), 400),
        (environ("/v2/health/live", method="GET"), 503),
    ):
        found, headers, body = ask(slow, request)
        assert (found, headers["content-type"]) == (status, "application/json")
        assert list(json.loads(body)) == ["error"]
    assert ask(slow, environ("/v2x", method="GET"))[1]["content-type"] == "application/problem+json"
    built.set()


def test_only_the_protocol_has_that_shape(client: Client) -> None:
    """Everything else answers with a problem, a path that merely begins alike as well."""
    for path in ("/v2x", "/v2nope/health", "/nope"):
        assert client.get(path).headers["content-type"] == "application/problem+json"
