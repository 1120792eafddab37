"""Right answers: the served answer is the training library's."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from registry.store import Store
from server.session import within
from tests.server.application import IRIS, Client, serve

MODELS = ["heuristic", "decision_tree", "random_forest", "xgboost"]


@pytest.mark.parametrize("name", MODELS)
def test_golden_rows_over_http(client: Client, shipped: Store, name: str) -> None:
    """Each golden row gets the training library's label and probabilities, alone and in a batch."""
    entry = shipped.read(name, shipped.current(name))
    golden, bound = entry.golden, entry.manifest.parity.bound
    path = f"/models/{name}/predict"
    batch = client.post(f"{path}/batch?probabilities=true", json={"instances": golden.inputs}).json()
    assert batch["predictions"] == list(golden.labels)
    assert batch["classes"] == list(entry.manifest.signature.classes)
    assert len(batch["probabilities"]) == len(golden.inputs)
    names = entry.manifest.signature.names
    for index in range(0, len(golden.inputs), 7):
        row = dict(zip(names, golden.inputs[index], strict=True))
        alone = client.post(f"{path}?probabilities=true", json=row).json()
        assert alone["prediction"] == golden.labels[index]
        assert list(alone["probabilities"].values()) == batch["probabilities"][index]
    assert within(np.array(batch["probabilities"]), np.array(golden.probabilities), bound).all()


def test_the_contract_example(client: Client) -> None:
    """The request of the README gets the answer of the README, byte for byte, and the three headers."""
    response = client.post("/predict", json=IRIS)
    assert response.status_code == 200
    assert response.content == b'{"prediction":"setosa"}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model-name"] == "heuristic"
    assert response.headers["x-model-version"] == "1"
    assert response.headers["x-model-generation"] == "1"


def test_probabilities_when_asked_for(client: Client) -> None:
    """``?probabilities=true`` adds one number per class, by name; ``=false`` and nothing do not."""
    answer = client.post("/predict?probabilities=true", json=IRIS).json()
    assert answer["prediction"] == "setosa"
    assert list(answer["probabilities"]) == ["setosa", "versicolor", "virginica"]
    assert abs(sum(answer["probabilities"].values()) - 1) < 1e-6
    assert client.post("/predict?probabilities=false", json=IRIS).json() == {"prediction": "setosa"}


def test_rows_may_be_arrays_objects_or_both(client: Client) -> None:
    """Arrays are in signature order; objects go by name, in any order."""
    shuffled = dict(reversed(IRIS.items()))
    mixed = {"instances": [list(IRIS.values()), shuffled, [6.3, 3.3, 6.0, 2.5]]}
    assert client.post("/predict/batch", json=mixed).json() == {
        "predictions": ["setosa", "setosa", "virginica"]
    }


def test_a_large_batch_keeps_its_order(client: Client, shipped: Store) -> None:
    """A batch of several slices, answered in a thread, comes back row for row."""
    golden = shipped.read("random_forest", 1).golden
    times = 5000 // len(golden.inputs) + 1
    answer = client.post(
        "/models/random_forest/predict/batch?probabilities=true", json={"instances": golden.inputs * times}
    )
    assert answer.json()["predictions"] == list(golden.labels) * times
    one = client.post(
        "/models/random_forest/predict/batch?probabilities=true", json={"instances": golden.inputs}
    )
    assert answer.json()["probabilities"] == one.json()["probabilities"] * times


def test_a_pinned_version_answers_by_its_full_name(client: Client) -> None:
    """``name@version`` reaches the model as ``name`` does."""
    response = client.post("/models/xgboost@1/predict", json=IRIS)
    assert response.json() == {"prediction": "setosa"}
    assert response.headers["x-model-name"] == "xgboost"


@pytest.mark.parametrize("name", MODELS)
def test_the_setting_chooses_the_model(connect: Callable[..., Client], name: str) -> None:
    """``MPS_MODEL_TYPE`` decides who answers ``/predict``; ``MPS_MODELS`` what else is loaded."""
    client = connect(model_type=name, models="heuristic")
    assert client.post("/predict", json=IRIS).headers["x-model-name"] == name
    loaded: dict[str, Any] = client.get("/models").json()
    assert {row["name"] for row in loaded["models"]} == {name, "heuristic"}


def test_refusals_carry_the_model_too(client: Client) -> None:
    """Who refused is told by the same headers."""
    response = client.post("/predict", json={})
    assert response.status_code == 422
    assert response.headers["x-model-generation"] == "1"


@pytest.mark.parametrize("path", ["/predict", "/v2/models/heuristic/infer"])
def test_a_refusal_holds_on_to_nothing(connect: Callable[..., Client], path: str) -> None:
    """A body that is too large is refused without a trace of its generation that would never go."""
    serving = serve(max_body_bytes="1024")
    client = connect(serving)
    assert client.post(path, content=b" " * 2000).status_code in (400, 413)
    before = weakref.ref(serving.generation)
    serving.commit(serve(max_body_bytes="1024").generation)
    client.get("/openapi.json")  # made anew: the document of the last generation goes
    gc.collect()
    assert before() is None
