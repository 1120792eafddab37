"""Models of every sort through the application: text and numbers in, answers of their own type out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from registry.manifest import Label
from tests.server.application import Client
from tests.server.homemade import (
    LABELS,
    OVERFLOWS,
    ROWS,
    SCORES,
    admitted,
    classifier,
    regression,
    shelve,
)
from tests.server.test_bad_input import check

NAMES = ("weight", "count", "colour", "note")
KINDS: dict[str, tuple[Label, Label]] = {
    "words": ("no", "yes"),
    "wholes": (0, 1),
    "truths": (False, True),
    "points": (1.0, 2.5),
}
ROW = dict(zip(NAMES, ROWS[0], strict=True))
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One model of every sort."""
    return shelve(
        tmp_path_factory.mktemp("registry"),
        *(classifier(name, classes) for name, classes in KINDS.items()),
        classifier("unsure", probabilities=False),
        admitted(regression("amount"), "its publisher said so"),
    )


@pytest.fixture
def client(connect: Callable[..., Client], registry: str) -> Client:
    """The application over that registry; /predict is answered by the regression."""
    return connect(registry=registry, model_type="amount")


def batch(*rows: object) -> bytes:
    return json.dumps({"instances": rows}).encode()


@pytest.mark.parametrize(
    ("name", "label", "first"),
    [
        ("words", b'"yes"', b'"no"'),
        ("wholes", b"1", b"0"),
        ("truths", b"true", b"false"),
        ("points", b"2.5", b"1.0"),
    ],
)
def test_a_label_is_answered_in_its_own_type(client: Client, name: str, label: bytes, first: bytes) -> None:
    """As JSON writes it in a prediction, a batch and its classes; as a word where it names a probability."""
    path = f"/models/{name}/predict"
    assert client.post(path, json=ROW).content == b'{"prediction":%b}' % label
    asked = client.post(f"{path}?probabilities=true", json=ROW)
    words = [text.strip(b'"').decode() for text in (first, label)]
    assert asked.content.startswith(b'{"prediction":%b,"probabilities":{"%b":' % (label, words[0].encode()))
    assert list(asked.json()["probabilities"]) == words
    several = client.post(f"{path}/batch", content=batch(*ROWS), headers=JSON)
    assert several.content == b'{"predictions":[%b]}' % b",".join([first, label][index] for index in LABELS)
    table = client.post(f"{path}/batch?probabilities=true", content=batch(*ROWS), headers=JSON)
    assert b'"classes":[%b,%b],"probabilities":[[' % (first, label) in table.content
    assert table.json()["probabilities"][0] == list(asked.json()["probabilities"].values())


def test_a_model_that_gives_labels_only(client: Client) -> None:
    """Labels as of any classifier, and a refusal to say how sure it is."""
    assert client.post("/models/unsure/predict", json=ROW).content == b'{"prediction":"yes"}'
    answer = client.post("/models/unsure/predict/batch?probabilities=false", json={"instances": ROWS})
    assert answer.json() == {"predictions": ["yes", "no", "yes"]}


def test_a_regression_answers_numbers(client: Client) -> None:
    """One number for one row, and as many as there are rows for a batch of arrays, objects or both."""
    for row, expected in zip(ROWS, SCORES, strict=True):
        answer = client.post("/predict", json=dict(zip(NAMES, row, strict=True)))
        assert answer.content == b'{"prediction":%b}' % repr(expected).encode()
    mixed = client.post("/predict/batch", json={"instances": [ROWS[1], ROW, ROWS[2]]})
    assert mixed.content == b'{"predictions":[-78.5,6.0,159.0]}'
    many = client.post("/predict/batch", json={"instances": ROWS * 700}).json()
    assert many == {"predictions": list(SCORES) * 700}


def test_a_float32_is_widened_and_not_rounded(client: Client) -> None:
    """The JSON number is the model's own, not the shortest one that a float32 could be read from."""
    answer = client.post("/predict", json={**ROW, "weight": 0.1})
    assert answer.content == b'{"prediction":3.200000047683716}'


@pytest.mark.parametrize("suffix", ["", "/batch"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("amount", "model amount is a regression: it has no probabilities"),
        ("unsure", "model unsure gives labels only: it has no probabilities"),
    ],
)
def test_probabilities_that_are_not_there(client: Client, name: str, words: str, suffix: str) -> None:
    """Who asks for them is told why there are none, before the body is looked at."""
    for content in (batch(*ROWS), b"{"):
        path = f"/models/{name}/predict{suffix}?probabilities=true"
        check(client.post(path, content=content, headers=JSON), 422, ["?"], [words])


@pytest.mark.parametrize("weight", [OVERFLOWS, -OVERFLOWS, None])
def test_an_answer_that_is_no_finite_number_is_refused(client: Client, weight: float | None) -> None:
    """JSON has no infinity and no NaN; which rows have such an answer is told."""
    words = ["the model's answer to these values is not a finite number"]
    bad = [weight, *ROWS[0][1:]]
    check(client.post("/predict", json={**ROW, "weight": weight}), 422, [""], words)
    refused = client.post("/predict/batch", content=batch(ROWS[0], bad, ROWS[1], bad), headers=JSON)
    check(refused, 422, ["/instances/1", "/instances/3"], [*words, "row 3: "])
    refused = client.post("/predict/batch", content=batch(*[ROWS[0]] * 600, *[bad] * 600), headers=JSON)
    check(refused, 422, [f"/instances/{row}" for row in range(600, 620)], words)


def test_a_probability_that_is_no_number_is_refused(client: Client) -> None:
    """Only where probabilities are wanted: without them there is a label."""
    row = {**ROW, "weight": None}
    words = ["is not a finite number"]
    assert client.post("/models/words/predict", json=row).status_code == 200
    check(client.post("/models/words/predict?probabilities=true", json=row), 422, [""], words)
    path = "/models/words/predict/batch"
    assert client.post(path, json={"instances": [row]}).status_code == 200
    refused = client.post(f"{path}?probabilities=true", json={"instances": [ROW, row]})
    check(refused, 422, ["/instances/1"], words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "green"}, "colour: expected one of 'red', 'deep blue', came \"green\""),
        ({"colour": None}, "colour: expected one of 'red', 'deep blue', came null"),
        ({"colour": 1}, "colour: expected one of 'red', 'deep blue', came 1"),
        ({"note": 1}, "note: expected a string, came 1"),
        ({"note": None}, "note: expected a string, came null"),
        ({"note": "\ud800"}, 'note: expected a string, came "\\ud800"'),
        ({"weight": "heavy"}, 'weight: expected a number that fits float32 or null, came "heavy"'),
        ({"count": 2.5}, "count: expected an integer"),
    ],
)
def test_text_and_numbers_are_told_apart(client: Client, change: dict[str, Any], words: str) -> None:
    """Each column refuses what is not its own, alone and in either form of a batch."""
    row, (name,) = {**ROW, **change}, change
    check(client.post("/predict", content=json.dumps(row), headers=JSON), 422, [f"/{name}"], [words])
    refused = client.post("/predict/batch", content=batch(ROW, row), headers=JSON)
    check(refused, 422, [f"/instances/1/{name}"], [f"row 1: {words}"])
    refused = client.post("/predict/batch", content=batch(ROWS[0], [*row.values()]), headers=JSON)
    check(refused, 422, [f"/instances/1/{NAMES.index(name)}"], [f"row 1: {words}"])


@pytest.mark.parametrize("note", ["", "naïve ☃ 𝄞", "a\0b", "x" * 10_000, '"', "heavy "])
def test_any_text_reaches_the_model(client: Client, note: str) -> None:
    """Whatever characters it has; a word that the model does not know counts as the model counts it."""
    assert client.post("/predict", json={**ROW, "note": note}).json() == {"prediction": 6.0}
    assert client.post("/predict", json={**ROW, "note": "heavy"}).json() == {"prediction": 16.0}


def test_what_is_told_of_each(client: Client) -> None:
    """Task, classes, bound and proof with its worst row; the admission only where there is one."""
    rows = {row["name"]: row for row in client.get("/models").json()["models"]}
    assert {name: row["task"] for name, row in rows.items() if row["task"] != "classification"} == {
        "amount": "regression"
    }
    assert [name for name, row in rows.items() if not row["probabilities"]] == ["amount", "unsure"]
    assert rows["truths"]["classes"] == [False, True]
    assert [name for name, row in rows.items() if "inexact" in row] == ["amount"]
    amount = client.get("/models/amount").json()
    assert (amount["task"], amount["inexact"]) == ("regression", "its publisher said so")
    assert amount["parity"]["bound"] == {"ulp": 0, "absolute": 0.0, "margin_ulp": 0}
    assert amount["parity"]["kinds"][0]["worst"]["inputs"] == list(ROWS[0])
    assert "histograms" not in amount["trained_on"]
    assert amount["verdict"] is None  # its publisher asked no gates
    assert client.post("/predict", json=amount["example"]).json() == {"prediction": 6.0}


def test_the_document_shows_the_shape_of_each(client: Client) -> None:
    """A number or typed labels, parameters that are taken, categories, and examples that are answered."""
    paths = client.get("/openapi.json").json()["paths"]

    def answer(path: str) -> dict[str, Any]:
        operation = paths[path]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert client.post(path, json=content["example"]).status_code == 200
        properties = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        parameters = [each["name"] for each in operation["parameters"]]
        assert ("probabilities" in parameters) == ("probabilities" in properties)
        return dict(properties)

    assert answer("/predict") == {"prediction": {"type": "number"}}
    assert answer("/predict/batch") == {"predictions": {"type": "array", "items": {"type": "number"}}}
    assert answer("/models/unsure/predict") == {"prediction": {"enum": ["no", "yes"]}}
    assert answer("/models/truths/predict")["prediction"] == {"enum": [False, True]}
    assert list(answer("/models/points/predict")["probabilities"]["properties"]) == ["1.0", "2.5"]
    assert answer("/models/wholes/predict/batch")["classes"] == {"const": [0, 1]}


def test_the_document_shows_text_and_its_categories(client: Client) -> None:
    """What may be sent in each column."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    features = schemas["amount.1.Features"]["properties"]
    assert (features["colour"]["enum"], features["note"]["type"]) == (["deep blue", "red"], "string")
    assert (features["count"]["type"], features["count"]["examples"]) == ("integer", [2])
