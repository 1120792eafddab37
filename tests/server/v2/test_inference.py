"""Inference over HTTP, by either interface."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.generation import Serving
from server.session import Session
from tests.server.application import Client, serve
from tests.server.v2.asking import (
    FORMS,
    IRIS_ROWS,
    LENGTH,
    columns,
    infer,
    iris,
    outputs,
    part,
    refused,
    request,
)

SHIPPED = ("heuristic", "decision_tree", "random_forest", "xgboost")
PAINTED = ("words", "wholes", "truths", "points", "unsure", "amount")
SHARED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD, _ = request(iris())
PATH = "/v2/models/random_forest/infer"


def native(client: Client, model: str, rows: list[list[Any]], chances: bool) -> dict[str, Any]:
    """What ``/models/NAME/predict/batch`` answers, by the names of the protocol's outputs."""
    query = "?probabilities=true" if chances else ""
    answer = client.post(f"/models/{model}/predict/batch{query}", json={"instances": rows}).json()
    if model == "amount":
        return {"value": [[value] for value in answer["predictions"]]}
    found = {"label": answer["predictions"]}
    return found | {"probabilities": answer["probabilities"]} if chances else found


@SHARED
@given(
    rows=st.lists(st.lists(st.floats(0, 30, width=32), min_size=4, max_size=4), min_size=1, max_size=4),
    model=st.sampled_from(SHIPPED),
    binary=st.booleans(),
)
def test_shipped_models_answer_as_natively(
    client: Client, rows: list[list[float]], model: str, binary: bool
) -> None:
    """The same numbers to the last bit, whichever way the batch comes and the answer goes."""
    expected = native(client, model, rows, chances=True)
    for form in FORMS:
        values = np.array(rows, np.float32)
        response = infer(client, model, iris(form, values), parameters={"binary_data_output": binary})
        assert {name: found.tolist() for name, found in outputs(response).items()} == expected


ROW = st.tuples(
    st.floats(-(2.0**99), 2.0**99, width=32),
    st.integers(0, 9),
    st.sampled_from(["red", "deep blue"]),
    st.text(max_size=5) | st.just("heavy"),
)


@SHARED
@given(
    rows=st.lists(ROW, min_size=1, max_size=4),
    model=st.sampled_from(PAINTED),
    forms=st.lists(st.sampled_from(FORMS), min_size=4, max_size=4),
    binary=st.booleans(),
)
def test_columns_answer_as_natively(
    painted: Client, rows: list[tuple[Any, ...]], model: str, forms: list[str], binary: bool
) -> None:
    """So do models with a column for each feature, strings among them, in any mixture of forms."""
    expected = native(painted, model, [list(row) for row in rows], model not in ("amount", "unsure"))
    wanted = [{"name": name, "parameters": {"binary_data": binary ^ (name == "label")}} for name in expected]
    response = infer(painted, model, *columns(rows, *forms), outputs=wanted)
    assert {name: found.tolist() for name, found in outputs(response).items()} == expected


def test_an_answer_in_full(client: Client) -> None:
    """Names, version, the id, outputs with shape and flat data; the headers that every prediction has."""
    response = client.post(PATH, content=request(iris(), id="seven")[0])
    assert response.json() | {"outputs": []} == {
        "model_name": "random_forest",
        "model_version": "1",
        "id": "seven",
        "outputs": [],
    }
    label, chances = response.json()["outputs"]
    assert label == {
        "name": "label",
        "datatype": "BYTES",
        "shape": [3],
        "data": ["setosa", "virginica", "versicolor"],
    }
    assert (chances["datatype"], chances["shape"], len(chances["data"])) == ("FP64", [3, 3], 9)
    assert LENGTH not in response.headers
    assert response.headers["x-model-name"] == "random_forest"
    assert client.post(PATH, content=GOOD).json()["id"], "one is made where none is given"


def test_a_version_may_be_named(client: Client) -> None:
    """The one that is loaded answers; another is not there."""
    path = "/v2/models/xgboost/versions"
    assert client.post(f"{path}/1/infer", content=GOOD).json()["model_version"] == "1"
    for wrong in (f"{path}/2/infer", f"{path}/x/infer", "/v2/models/none/infer"):
        refused(client.post(wrong, content=GOOD), "is loaded", status=404)


@pytest.mark.parametrize("declared", [None, "application/octet-stream", "text/plain", "application/json"])
@pytest.mark.parametrize("form", ["flat", "binary"])
def test_the_length_header_decides_and_never_the_content_type(
    client: Client, form: str, declared: str | None
) -> None:
    """Clients declare anything."""
    body, headers = request(iris(form))
    if declared:
        headers["Content-Type"] = declared
    assert outputs(client.post(PATH, content=body, headers=headers))["label"].tolist()[0] == "setosa"


def test_a_raw_body_is_one_row(client: Client) -> None:
    """Length 0: all of it is the input, and every output comes as bytes."""
    found = outputs(client.post(PATH, content=IRIS_ROWS[1].tobytes(), headers={LENGTH: "0"}))
    assert found["label"].tolist() == ["virginica"]
    assert found["probabilities"].shape == (1, 3)
    refused(client.post(PATH, content=IRIS_ROWS.tobytes(), headers={LENGTH: "0"}), "expected 16 bytes")
    refused(client.post(PATH, content=b"", headers={LENGTH: "0"}), "expected 16 bytes")


def test_a_raw_body_is_for_one_input(painted: Client) -> None:
    """Nobody could say where the next one begins."""
    response = painted.post("/v2/models/words/infer", content=b"\0" * 16, headers={LENGTH: "0"})
    refused(response, "one input of numbers")


@pytest.mark.parametrize("model", ["random_forest", "xgboost"])
@pytest.mark.parametrize("form", FORMS)
def test_no_rows_are_answered_with_none(client: Client, model: str, form: str) -> None:
    """An empty batch is a batch."""
    found = outputs(infer(client, model, iris(form, np.empty((0, 4), np.float32))))
    assert {name: values.shape for name, values in found.items()} == {"label": (0,), "probabilities": (0, 3)}


@pytest.mark.parametrize("wanted", [None, [{"name": "label"}]])
def test_a_large_batch_keeps_its_order(client: Client, wanted: list[dict[str, str]] | None) -> None:
    """A batch of many slices comes back row for row."""
    response = infer(client, "random_forest", iris("binary", np.tile(IRIS_ROWS, (3000, 1))), outputs=wanted)
    found = outputs(response)
    assert found["label"].tolist() == ["setosa", "virginica", "versicolor"] * 3000
    assert len(found) == (1 if wanted else 2)


def test_a_batch_reaches_the_session_as_it_came(
    connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floats in binary form are the caller's own bytes when the session runs; no object is made of any."""
    fed: list[Any] = []
    real = Session.answers

    def answers(self: Session, feed: dict[str, Any]) -> Any:
        fed.append(feed["input"])
        return real(self, feed)

    monkeypatch.setattr(Session, "answers", answers)
    rows = np.tile(IRIS_ROWS, (10, 1))
    client = connect()
    body, headers = request(iris("binary", rows))
    text = body[: int(headers[LENGTH])]
    text += b" " * (-len(text) % 4)
    body = text + rows.tobytes()
    response = client.post(PATH, content=body, headers={LENGTH: str(len(text))})
    assert len(outputs(response)["label"]) == 30
    seen = fed[-1]
    assert seen.tobytes() == rows.tobytes()
    while isinstance(seen, np.ndarray):
        seen = seen.base
    assert isinstance(seen, memoryview)
    assert seen.obj == body


BINARY, BINARY_HEADERS = request(iris("binary"))
TEXT = int(BINARY_HEADERS[LENGTH])
HUGE = json.dumps({"inputs": [{"name": "input", "shape": [2**62, 4], "datatype": "FP32", "data": []}]})
MALFORMED: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b"{}", {}),
    (b"[]", {}),
    (b"[" * 50_000, {}),
    (GOOD[:-1], {}),
    (GOOD.replace(b"5.0", b"NaN"), {}),
    (GOOD.replace(b"3.5", b"NaN"), {}),
    (GOOD.replace(b"3.5", b"1e999"), {}),
    (GOOD.replace(b"3.5", b"31"), {}),
    (GOOD.replace(b"FP32", b"FP99"), {}),
    (GOOD.replace(b"[3, 4]", b"[4, 3]"), {}),
    (GOOD.replace(b"[3, 4]", b"[-3, -4]"), {}),
    (HUGE.encode(), {}),
    (BINARY, {}),
    (BINARY, {LENGTH: "x"}),
    (BINARY, {LENGTH: "-1"}),
    (BINARY, {LENGTH: str(len(BINARY) + 1)}),
    (BINARY, {LENGTH: "9" * 40}),
    (BINARY, {LENGTH: str(TEXT - 1)}),
    (BINARY, {LENGTH: str(TEXT + 1)}),
    (BINARY + b"x", BINARY_HEADERS),
    (BINARY[:-1], BINARY_HEADERS),
    (BINARY.replace(b"48", b"44"), BINARY_HEADERS),
    (BINARY.replace(b"[3, 4]", b"[2, 4]"), BINARY_HEADERS),
    request(part("input", IRIS_ROWS.astype(np.int64))),
    request(part("other", IRIS_ROWS)),
    request(iris(), iris()),
    request(iris(), outputs=[{"name": "none"}]),
]


@pytest.mark.parametrize("case", range(len(MALFORMED)))
def test_what_is_malformed_is_refused(client: Client, case: int) -> None:
    """With 400 and a text, and the next request is answered."""
    body, headers = MALFORMED[case]
    refused(client.post(PATH, content=body, headers=headers))
    assert client.post(PATH, content=GOOD).status_code == 200


def test_more_than_is_taken(connect: Callable[..., Client]) -> None:
    """Rows and bytes have their caps, and the text says them."""
    client = connect(max_batch_rows=2, max_body_bytes=5000)
    refused(client.post(PATH, content=GOOD), "at most 2 rows, came 3")
    refused(client.post(PATH, content=GOOD.ljust(5001)), "at most 5000 bytes")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_breaks_the_server(client: Client, data: st.DataObject) -> None:
    """Random bytes, and sound requests cut, turned and stuffed: never a 5xx, and the next answer is right."""
    body, headers = data.draw(st.sampled_from([(GOOD, {}), (BINARY, BINARY_HEADERS)]))
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(mutated)))
        match data.draw(st.sampled_from(["cut", "turn", "stuff", "random"])):
            case "cut":
                del mutated[at : at + data.draw(st.integers(1, 50))]
            case "turn" if at < len(mutated):
                mutated[at] ^= data.draw(st.integers(1, 255))
            case "stuff":
                mutated[at:at] = data.draw(st.binary(max_size=8) | st.sampled_from(PIECES))
            case _:
                mutated[at:] = data.draw(st.binary(max_size=40))
    length = data.draw(st.none() | st.integers(0, 400).map(str) | st.just(headers.get(LENGTH)))
    response = client.post(PATH, content=bytes(mutated), headers={LENGTH: length} if length else {})
    if response.status_code != 200:
        refused(response)
    assert outputs(client.post(PATH, content=GOOD))["label"].tolist() == ["setosa", "virginica", "versicolor"]


PIECES = [b"null", b"1e999", b"[[", b"]", b'"', b"\xff", b"-1,", b"9" * 30, b"{}", b'"data":[],', b"\\ud800"]


def test_a_failure_of_ours_is_told_as_one(
    connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in the protocol's shape, with nothing of our insides."""
    serving: Serving = serve()
    client = connect(serving)
    monkeypatch.setattr(Session, "answers", lambda *_: 1 / 0)
    response = client.post(PATH, content=GOOD)
    refused(response, "its log says why", status=500)
    assert "division" not in response.text
