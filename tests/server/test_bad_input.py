"""Whatever a caller sends, the answer is a clear problem; nothing crashes and nothing leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.application import IRIS, Client

JSON = {"Content-Type": "application/json"}
LEAK = re.compile(
    r"Traceback|0x[0-9a-f]{6}|\.py\b|/(work|home|root|tmp|usr)/|site-packages|msgspec|onnx|\$\.|prd"
)


def body(**changes: Any) -> bytes:
    """The example with these features changed."""
    return json.dumps({**IRIS, **changes}).encode()


def without(name: str) -> bytes:
    """The example without one feature."""
    return json.dumps({key: value for key, value in IRIS.items() if key != name}).encode()


def raw(literal: str) -> bytes:
    """The example with sepal_width written like this."""
    return body(sepal_width="@").replace(b'"@"', literal.encode())


def rows(*instances: object) -> bytes:
    """A batch."""
    return json.dumps({"instances": instances}).encode()


ROW = [5.1, 3.5, 1.4, 0.2]
DEEP = 100_000

SINGLE = [
    # (what, body, status, pointers, words)
    ("empty", b"", 400, [], ["truncated"]),
    ("truncated", b'{"sepal_length": 5.1, "sep', 400, [], ["truncated"]),
    ("no JSON", b"sepal_length=5.1", 400, [], ["invalid character"]),
    ("single quotes", b"{'sepal_length': 5.1}", 400, [], ["byte 1"]),
    ("trailing text", body() + b" x", 400, [], ["trailing"]),
    ("not UTF-8", body().replace(b"sepal_length", b"sepal\xfflength"), 400, [], ["UTF-8", "position"]),
    ("deep arrays", b"[" * DEEP + b"]" * DEEP, 400, [], ["nested too deeply"]),
    ("deep objects", b'{"a":' * DEEP, 400, [], ["nested too deeply"]),
    ("deep in a feature", raw("[" * DEEP + "]" * DEEP), 400, [], ["nested too deeply"]),
    ("an array", b"[1,2,3,4]", 422, [""], ["expected an object", "an array"]),
    ("null", b"null", 422, [""], ["expected an object", "null"]),
    ("a string", b'"text"', 422, [""], ["expected an object", "a string"]),
    ("string for number", body(sepal_width="3.5"), 422, ["/sepal_width"], ["a number", '"3.5"']),
    ("bool for number", body(sepal_width=True), 422, ["/sepal_width"], ["a number", "true"]),
    ("list for number", body(sepal_width=[3.5]), 422, ["/sepal_width"], ["a number", "an array"]),
    ("object for number", body(sepal_width={}), 422, ["/sepal_width"], ["a number", "an object"]),
    ("null for number", body(sepal_width=None), 422, ["/sepal_width"], ["a number", "null"]),
    (
        "missing",
        without("petal_width"),
        422,
        ["/petal_width"],
        ["missing feature 'petal_width'", "0 to 30 cm"],
    ),
    ("all missing", b"{}", 422, [f"/{name}" for name in IRIS], ["missing feature"]),
    ("extra", body(colour=1), 422, ["/colour"], ['unexpected feature "colour"', "sepal_length"]),
    ("misspelt", body(sepal_widht=1), 422, ["/sepal_widht"], ["did you mean 'sepal_width'?"]),
    ("pointer escapes", body(**{"a/b~c": 1}), 422, ["/a~1b~0c"], ["unexpected"]),
    ("below the range", body(sepal_width=-0.1), 422, ["/sepal_width"], ["from 0 to 30 cm", "-0.1"]),
    ("above the range", body(sepal_width=30.1), 422, ["/sepal_width"], ["from 0 to 30 cm", "30.1"]),
    ("NaN", raw("NaN"), 422, ["/sepal_width"], ["sepal_width", "came NaN"]),
    ("Infinity", raw("Infinity"), 422, ["/sepal_width"], ["sepal_width", "came Infinity"]),
    ("-Infinity", raw("-Infinity"), 422, ["/sepal_width"], ["sepal_width", "came -Infinity"]),
    ("NaN behind a repeated key", raw("NaN")[:-1] + b',"sepal_width":3.5}', 400, [], ["invalid character"]),
    ("NaN elsewhere", b'{"NaN": NaN', 400, [], ["JSON"]),
    ("1e999", raw("1e999"), 422, ["/sepal_width"], ["sepal_width", "a number"]),
    ("-1e999", raw("-1e999"), 422, ["/sepal_width"], ["sepal_width", "a number"]),
    ("beyond float32", raw("3.5e38"), 422, ["/sepal_width"], ["sepal_width", "a number"]),
    ("400 digits", raw("9" * 400), 422, ["/sepal_width"], ["sepal_width", "a number"]),
    ("5,000 digits", raw("9" * 5000), 422, ["/sepal_width"], ["sepal_width", "a number"]),
    ("several mistakes", body(sepal_width="x", petal_width=-1), 422, ["/sepal_width", "/petal_width"], []),
    ("a long value", body(sepal_width="x" * 1000), 422, ["/sepal_width"], ["…"]),
    ("a huge value", body(sepal_width="x" * 100_000), 422, ["/sepal_width"], ["Expected 'float', got 'str'"]),
    ("a huge stranger", body(**{"x" * 100_000: 1}), 422, [""], ["unknown field"]),
    ("many strangers", body(**{f"x{i}": 1 for i in range(5000)}), 422, [f"/x{i}" for i in range(20)], []),
    ("half a character", body(**{"\ud800": 1}), 422, ["/?"], ["unexpected feature"]),
    ("half a character in a value", body(sepal_width="\udc00"), 422, ["/sepal_width"], ["a number"]),
]
BATCH = [
    ("empty", b"", 400, [], ["truncated"]),
    ("no instances", b"{}", 422, ["/instances"], ["missing 'instances'"]),
    ("another key", b'{"rows":[]}', 422, ["/rows", "/instances"], ["unexpected key", "'instances'"]),
    ("an extra key", rows(ROW)[:-1] + b',"x":1}', 422, ["/x"], ["unexpected key"]),
    ("an array", b"[[1,2,3,4]]", 422, [""], ["'instances'", "an array"]),
    ("instances no list", b'{"instances":{}}', 422, ["/instances"], ["an array of rows", "an object"]),
    ("empty batch", rows(), 422, ["/instances"], ["is empty"]),
    ("flat", b'{"instances":[1,2,3,4]}', 422, [f"/instances/{i}" for i in range(4)], ["row 0", "a number"]),
    ("ragged", rows(ROW, ROW[:3]), 422, ["/instances/1"], ["row 1", "expected 4 values", "came 3"]),
    (
        "ragged with the right total",
        rows(ROW[:3], [*ROW, 1.0]),
        422,
        ["/instances/0", "/instances/1"],
        ["row 0", "came 3", "came 5"],
    ),
    ("too deep a row", rows(ROW, [ROW]), 422, ["/instances/1"], ["expected 4 values", "came 1"]),
    ("NaN", rows(ROW).replace(b"3.5", b"NaN"), 422, ["/instances/0/1"], ["row 0", "sepal_width", "NaN"]),
    ("1e999", rows(ROW).replace(b"3.5", b"1e999"), 422, ["/instances/0/1"], ["row 0", "sepal_width"]),
    ("null", rows([None, *ROW[1:]]), 422, ["/instances/0/0"], ["sepal_length", "null"]),
    ("a string", rows(ROW, ["5.1", *ROW[1:]]), 422, ["/instances/1/0"], ["row 1", "sepal_length", '"5.1"']),
    ("out of range", rows(ROW, ROW, [99, *ROW[1:]]), 422, ["/instances/2/0"], ["row 2", "0 to 30 cm", "99"]),
    (
        "an object lacks one",
        rows(ROW, {"sepal_length": 1}),
        422,
        None,
        ["row 1", "missing feature 'petal_width'"],
    ),
    ("an object has more", rows({**IRIS, "x": 1}), 422, ["/instances/0/x"], ["row 0", "unexpected feature"]),
    (
        "half a character",
        rows({**IRIS, "\udc00": 1}),
        422,
        ["/instances/0/?"],
        ["row 0", "unexpected feature"],
    ),
    ("half a key", rows(ROW)[:-1] + b',"\\udc00":1}', 422, ["/?"], ["unexpected key"]),
    (
        "bad in a later slice",
        rows(*[ROW] * 700, [99, *ROW[1:]]),
        422,
        ["/instances/700/0"],
        ["row 700", "99"],
    ),
    ("bad in a huge row", rows(ROW, ["x" * 100_000, *ROW[1:]]), 422, ["/instances/1"], ["Expected 'float'"]),
    ("deep", b'{"instances":' + b"[" * DEEP, 400, [], ["nested too deeply"]),
    ("too many rows", rows(*[ROW] * 1001), 413, [], ["at most 1000 rows", "came 1001"]),
]


def check(response: Any, status: int, pointers: list[str] | None, words: list[str]) -> None:
    """A problem of this status at these places, in these words, that tells nothing of our insides."""
    assert response.status_code == status, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"].startswith("urn:mps:problem:")
    if pointers is not None:
        assert [fault["pointer"] for fault in problem.get("errors", [])] == pointers
    for word in words:
        assert word in problem["detail"]
    assert not LEAK.search(response.text), response.text[:300]
    assert len(response.text) < 20_000


@pytest.mark.parametrize(
    ("content", "status", "pointers", "words"), [case[1:] for case in SINGLE], ids=[c[0] for c in SINGLE]
)
@pytest.mark.parametrize("path", ["/predict", "/models/xgboost/predict"])
def test_a_bad_row(
    client: Client, path: str, content: bytes, status: int, pointers: list[str], words: list[str]
) -> None:
    """Each mistake in a single row is named, and the next good request is answered."""
    check(client.post(path, content=content, headers=JSON), status, pointers, words)
    assert client.post(path, content=body(), headers=JSON).json() == {"prediction": "setosa"}


@pytest.mark.parametrize(
    ("content", "status", "pointers", "words"), [case[1:] for case in BATCH], ids=[c[0] for c in BATCH]
)
def test_a_bad_batch(
    connect: Callable[..., Client], content: bytes, status: int, pointers: list[str] | None, words: list[str]
) -> None:
    """Each mistake in a batch is named with its row, and nothing of the batch is answered."""
    client = connect(max_batch_rows=1000)
    check(client.post("/predict/batch", content=content, headers=JSON), status, pointers, words)
    assert client.post("/predict/batch", content=rows(ROW), headers=JSON).json() == {
        "predictions": ["setosa"]
    }


def test_a_million_mistakes_give_a_short_answer(client: Client) -> None:
    """The first twenty are told."""
    response = client.post("/predict/batch", content=rows(*[[None] * 4] * 5000), headers=JSON)
    check(response, 422, None, ["row 0", "row 4"])
    assert len(response.json()["errors"]) == 20
    response = client.post("/predict/batch", content=rows(*[[None] * 4] * 5000)[:-1], headers=JSON)
    check(response, 400, None, ["truncated"])


@pytest.mark.parametrize("size", [1025, 100_000])
def test_a_body_over_the_cap(connect: Callable[..., Client], size: int) -> None:
    """Too large a body is refused with 413, whatever it holds."""
    response = connect(max_body_bytes=1024).post("/predict", content=b" " * size, headers=JSON)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert "1024" in response.json()["detail"]


@pytest.mark.parametrize(
    "declared",
    ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "application/jsonx"],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_body_of_another_type(client: Client, path: str, declared: str) -> None:
    """A body that is declared to be something else is refused with 415, and told the header that helps."""
    response = client.post(path, content=body(), headers={"Content-Type": declared})
    check(response, 415, [], ["application/json", declared])


@pytest.mark.parametrize("declared", ["application/json; charset=utf-8", "Application/JSON", None])
def test_json_by_its_other_names(client: Client, declared: str | None) -> None:
    """Parameters, upper case and no declaration at all are JSON."""
    headers = {"Content-Type": declared} if declared else {}
    assert client.post("/predict", content=body(), headers=headers).status_code == 200


@pytest.mark.parametrize("query", ["probabilites=true", "probabilities=yes", "probabilities", "a=1&b=2"])
def test_an_unknown_query(client: Client, query: str) -> None:
    """A query that is not understood is refused rather than ignored."""
    check(
        client.post(f"/predict?{query}", content=body(), headers=JSON),
        422,
        ["?"],
        ["probabilities=true", query],
    )


@pytest.mark.parametrize("name", ["nope", "XGBOOST", "xgboost@99", "..%2fxgboost", "%00", "x" * 300])
@pytest.mark.parametrize("tail", ["/predict", "/predict/batch"])
def test_an_unknown_model(client: Client, name: str, tail: str) -> None:
    """404, with the names of what is loaded."""
    response = client.post(f"/models/{name}{tail}", content=body(), headers=JSON)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert not LEAK.search(response.text.replace(name, ""))


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/nope", 404)])
def test_what_the_framework_refuses_is_a_problem_too(
    client: Client, method: str, path: str, status: int
) -> None:
    """Unknown paths and wrong methods have the same shape of answer."""
    response = client.request(method, path)
    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.just(-0.0)
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too: JSON has them
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from([*IRIS, "x", ""]) | TEXT, inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=ANY_JSON, batch=st.booleans())
def test_any_json_is_answered_or_refused_clearly(client: Client, value: Any, batch: bool) -> None:
    """No value crashes the server; what is answered was in range, what is refused is told why."""
    content = json.dumps({"instances": value} if batch else value).encode()
    response = client.post("/predict/batch" if batch else "/predict", content=content, headers=JSON)
    if response.status_code != 200:
        check(response, response.status_code, None, [])
        assert response.status_code in (400, 422)
        return
    for row in value if batch else [value]:
        numbers = list(row.values()) if isinstance(row, dict) else row
        assert len(numbers) == 4
        assert all(not isinstance(number, bool) and 0 <= number <= 30 for number in numbers)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_clearly(client: Client, content: bytes) -> None:
    """Random bytes are no request."""
    status = 422 if _is_json(content) else 400
    check(client.post("/predict", content=content, headers=JSON), status, None, [])


def _is_json(content: bytes) -> bool:
    try:
        json.loads(
            content.decode()
        )  # from bytes it would take UTF-16, too, which JSON between systems is not
    except ValueError:
        return False
    return True


def test_the_leak_pattern_can_fail() -> None:
    """The guard against leaks sees one."""
    assert LEAK.search('{"detail": "File /usr/lib/x.py"}')
