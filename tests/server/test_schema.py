"""Request types made from a signature."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.manifest import Feature, Signature
from server.diagnosis import diagnose_row, diagnose_slice
from server.errors import InvalidValues
from server.schema import FLOAT32_MAX, REFUSALS, BadSlice, Row, Schema, open_envelope

FEATURES = (
    Feature(name="age (years)", dtype="float32", minimum=0),
    Feature(name="income", dtype="float64", may_be_missing=True),
    Feature(name="children", dtype="int64", minimum=0, maximum=20),
    Feature(name="colour", dtype="string", categories=("red", "blue")),
    Feature(name="note", dtype="string"),
)
SCHEMA = Schema(Signature(features=FEATURES, classes=("a", "b")), "mixed.1")
ROW: dict[str, Any] = {"age (years)": 40, "income": None, "children": 2, "colour": "red", "note": "x"}


def decoded(**changes: object) -> Any:
    """The row after these changes, as it is decoded, alone and in a batch."""
    body = {**ROW, **changes}
    row = SCHEMA.one(json.dumps(body).encode())
    assert many([body, list(body.values())]) == [[row, row]]
    assert many([body] * 5, 2) == [[row, row], [row, row], [row]]
    return row


def many(rows: list[Any], slice_rows: int = 512) -> list[list[Row]]:
    """The rows of a batch, decoded as a request's are."""
    return SCHEMA.many(open_envelope(json.dumps({"instances": rows}).encode()).instances, slice_rows)


def refusal(**changes: object) -> str:
    """The diagnosis of the row after these changes."""
    body = json.dumps({**ROW, **changes}).encode()
    with pytest.raises(REFUSALS) as error:
        SCHEMA.one(body)
    found = diagnose_row(SCHEMA, body, error.value)
    assert isinstance(found, InvalidValues)
    return str(found)


def test_a_row_of_every_dtype() -> None:
    """Names need not be identifiers; null is missing; integers stay integers; strings stay strings."""
    assert decoded() == (40.0, None, 2, "red", "x")
    assert decoded(income=-1e300)[1] == -1e300


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"age (years)": None}, "a number from 0 to 3.40282e+38, came null"),
        ({"age (years)": 3.41e38}, "age (years): expected"),
        ({"income": "much"}, 'income: expected a number that fits float64 or null, came "much"'),
        ({"children": 2.5}, "children: expected an integer, written without a point, from 0 to 20, came 2.5"),
        ({"children": 21}, "came 21"),
        ({"colour": "green"}, "colour: expected one of 'red', 'blue', came \"green\""),
        ({"note": 3}, "note: expected a string, came 3"),
    ],
)
def test_each_dtype_refuses_in_its_own_words(changes: dict[str, Any], words: str) -> None:
    """What was expected, what came, where."""
    assert words in refusal(**changes)


def test_a_number_that_float32_cannot_hold_is_refused() -> None:
    """Without a stated range the dtype is the range: nothing becomes infinite on its way."""
    assert decoded(**{"age (years)": FLOAT32_MAX})[0] == FLOAT32_MAX
    assert "expected" in refusal(**{"age (years)": FLOAT32_MAX * 1.0001})


def test_an_example_is_always_answered() -> None:
    """What the documentation shows is decoded by the same types."""
    example = SCHEMA.example()
    assert SCHEMA.one(json.dumps(example).encode()) == tuple(example.values())
    narrow = Feature(name="x", dtype="float32", minimum=5.0, maximum=6.0)
    high = Feature(name="y", dtype="float32", minimum=5.0)
    own = Feature(name="z", dtype="float32", example=2.5)
    schema = Schema(Signature(features=(narrow, high, own), classes=("a", "b")), "m.1")
    assert schema.example() == {"x": 5.5, "y": 5.0, "z": 2.5}


def test_a_repeated_key_hides_no_mistake() -> None:
    """The decoder refuses the first value; the diagnosis, which sees the last one only, still refuses."""
    body = json.dumps(ROW).encode()[:-1] + b', "children": 2}'
    body = body.replace(b'"children": 2', b'"children": "x"', 1)
    with pytest.raises(msgspec.ValidationError) as error:
        SCHEMA.one(body)
    assert "the body is refused" in str(diagnose_row(SCHEMA, body, error.value))


def test_a_long_slice_is_told_like_a_short_one() -> None:
    """How many rows are decoded together depends on the machine; what is told of them does not."""
    rows = [list(ROW.values())] * 5_000 + [[None] * 5] * 20_000
    for slice_rows in (16, 25_000):
        with pytest.raises(BadSlice) as error:
            many(rows, slice_rows)
        found = diagnose_slice(SCHEMA, error.value)
        assert isinstance(found, InvalidValues)
        assert [fault.pointer for fault in found.faults[:2]] == ["/instances/5000/0", "/instances/5000/2"]


@given(
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    name=st.sampled_from(list(ROW)),
)
def test_decoder_and_diagnosis_agree(value: object, name: str) -> None:
    """What the decoder refuses has a named fault, in a row and in a batch; what it takes has none."""
    for shape in ("object", "array"):
        row: Any = {**ROW, name: value}
        row = row if shape == "object" else list(row.values())
        try:
            many([ROW] * 3 + [row], 2)
        except BadSlice as bad:
            found = diagnose_slice(SCHEMA, bad)
            assert isinstance(found, InvalidValues)
            place = list(ROW).index(name) if shape == "array" else name
            assert [fault.pointer for fault in found.faults] == [f"/instances/3/{place}"]
