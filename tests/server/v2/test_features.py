"""A request's tensors as what the session of a model is fed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from registry.manifest import Feature, Signature
from server.errors import InvalidValues, TooLarge
from server.v2.features import Features
from server.v2.message import Input
from server.v2.tensors import Behind
from tests.server.homemade import FEATURES, ROWS

WIDE = tuple(Feature(name=name, dtype="float64", minimum=-5, maximum=2**53) for name in ("a", "b"))
HELD = (
    Feature(name="a", dtype="float32", may_be_missing=True),
    Feature(name="b", dtype="float32", minimum=0),
)


def of(features: tuple[Feature, ...], matrix: bool = True) -> Features:
    """The reader of a model with these features."""
    names = ("x",) if matrix else tuple(feature.name for feature in features)
    session: Any = SimpleNamespace(input_names=names)
    return Features(session, Signature(features=features))


def tensor(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Input:
    return Input(name, shape, datatype, None, msgspec.Raw(msgspec.json.encode(data)))


def painted(**changes: Input) -> list[Input]:
    """The columns of the homemade rows."""
    weight, count, colour, note = zip(*ROWS, strict=True)
    found = {
        "weight": tensor("weight", "FP32", (3, 1), weight),
        "count": tensor("count", "INT64", (3,), count),
        "colour": tensor("colour", "BYTES", (3, 1), colour),
        "note": tensor("note", "BYTES", (3, 1), note),
    }
    return list((found | changes).values())


def test_one_column_for_each_feature() -> None:
    """Each of its dtype, in any order; a column may leave its width of 1 out."""
    feed, rows = of(FEATURES, matrix=False).read(painted()[::-1], None, 10)
    assert rows == 3
    assert {name: (values.dtype.name, values.shape) for name, values in feed.items()} == {
        "weight": ("float32", (3, 1)),
        "count": ("int64", (3, 1)),
        "colour": ("object", (3, 1)),
        "note": ("object", (3, 1)),
    }
    assert list(zip(*(feed[feature.name][:, 0].tolist() for feature in FEATURES), strict=True)) == list(ROWS)


def test_a_batch_of_floats_reaches_the_session_in_place() -> None:
    """What is fed is a view of the body: no number of it was ever an object, and none was copied."""
    body = np.arange(4000, dtype=np.float32).tobytes()
    given = Input("x", (2000, 2), "FP32", {"binary_data_size": len(body)})
    feed, rows = of(HELD).read([given], Behind(memoryview(body)), 2000)
    assert (rows, feed["x"].shape) == (2000, (2000, 2))
    assert np.shares_memory(feed["x"], np.frombuffer(body, np.uint8))
    base: Any = feed["x"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert base.obj is body


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT32", "UINT8"])
def test_what_widens_is_widened(datatype: str) -> None:
    """A model of doubles takes any number that stays the same number."""
    feed, _ = of(WIDE).read([tensor("x", datatype, (2, 2), [0, 1, 2, 3])], None, 10)
    assert feed["x"].dtype == np.float64
    assert feed["x"].tolist() == [[0, 1], [2, 3]]


def test_a_missing_number_where_it_may_be() -> None:
    """null is NaN, and is refused where the model has no way for it."""
    feed, _ = of(HELD).read([tensor("x", "FP32", (1, 2), [None, 1])], None, 10)
    assert np.isnan(feed["x"][0, 0])
    with pytest.raises(InvalidValues, match=r"row 1: b: expected a number from 0 .*, came a missing value"):
        of(HELD).read([tensor("x", "FP32", (2, 2), [0, 1, 2, None])], None, 10)


WRONG = [
    (tensor("x", "INT64", (1, 2), [1, 2]), "expected FP32, or what widens"),
    (tensor("x", "FP64", (1, 2), [1, 2]), "came FP64"),
    (tensor("x", "BOOL", (1, 2), [True, True]), "came BOOL"),
    (tensor("x", "BYTES", (1, 2), ["1", "2"]), "came BYTES"),
    (tensor("x", "FP31", (1, 2), [1, 2]), "no datatype of the protocol: 'FP31'"),
    (tensor("x", "BF16", (1, 2), [1, 2]), "no datatype of the protocol"),
    (tensor("x", "FP32", (2,), [1, 2]), r"expected shape \[rows, 2\], came \[2\]"),
    (tensor("x", "FP32", (1, 3), [1, 2, 3]), r"came \[1, 3\]"),
    (tensor("x", "FP32", (1, 2, 1), [1, 2]), r"came \[1, 2, 1\]"),
    (tensor("x", "FP32", (), [1]), r"came \[\]"),
    (tensor("x", "FP32", (-1, 2), []), "sizes of 0 or more"),
    (tensor("x", "FP32", (1, 2), [1, -1]), "row 0: b: expected a number from 0 to .*, came -1"),
    (tensor("y", "FP32", (1, 2), [1, 1]), "expected each of the inputs x once, came y"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_the_model_does_not_take(given: Input, words: str) -> None:
    """The refusal says what it takes."""
    with pytest.raises(InvalidValues, match=words):
        of(HELD).read([given], None, 10)


def test_infinity_is_no_value_even_as_bytes() -> None:
    """As in a native request, where no number can say it."""
    body = np.array([[np.inf, 1]], np.float32).tobytes()
    given = Input("x", (1, 2), "FP32", {"binary_data_size": 8})
    with pytest.raises(InvalidValues, match="came inf"):
        of(HELD).read([given], Behind(memoryview(body)), 10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": tensor("count", "INT64", (2,), [1, 2])}, "expected 3 rows as in the others, came 2"),
        ({"count": tensor("weight", "FP32", (3, 1), [1, 2, 3])}, "each of the inputs .* once"),
        ({"count": tensor("count", "INT64", (3,), [1, 2, 10])}, "row 2: count: .* from 0 to 9, came 10"),
        ({"count": tensor("count", "FP32", (3,), [1, 2, 3])}, "expected INT64"),
        (
            {"colour": tensor("colour", "BYTES", (3,), ["red", "blue", "red"])},
            "row 1: colour: expected one of red, deep blue, came 'blue'",
        ),
    ],
)
def test_columns_that_do_not_fit(changes: dict[str, Input], words: str) -> None:
    """Row and feature are named."""
    with pytest.raises(InvalidValues, match=words):
        of(FEATURES, matrix=False).read(painted(**changes), None, 10)
    with pytest.raises(InvalidValues, match="each of the inputs"):
        of(FEATURES, matrix=False).read(painted()[:3], None, 10)


def test_more_rows_than_are_taken() -> None:
    """Refused by the shape, before any data is looked at."""
    with pytest.raises(TooLarge, match="at most 10 rows, came 11"):
        of(HELD).read([tensor("x", "FP32", (11, 2), None)], None, 10)


def test_bytes_that_no_input_wants() -> None:
    """Leftovers are a mistake, not noise."""
    given = Input("x", (1, 2), "FP32", {"binary_data_size": 8})
    with pytest.raises(InvalidValues, match="unexpected additional input data: 1 bytes"):
        of(HELD).read([given], Behind(memoryview(b"\0" * 9)), 10)


@pytest.mark.parametrize("bound", [0.1, 0.7, 7.9])
def test_a_bound_that_no_float32_is_may_be_asked(bound: float) -> None:
    """As in a native request, where it is compared before it is rounded: JSON and bytes alike."""
    held = (Feature(name="a", dtype="float32", minimum=bound, maximum=bound),)
    feed, _ = of(held).read([tensor("x", "FP32", (1, 1), [bound])], None, 10)
    assert feed["x"][0, 0] == np.float32(bound)


def test_integers_are_compared_as_integers() -> None:
    """Beyond 2 ** 53 a float would say that they are equal."""
    held = (Feature(name="a", dtype="int64", maximum=2.0**53),)
    with pytest.raises(InvalidValues, match="row 0: a: expected a number"):
        of(held).read([tensor("x", "INT64", (1, 1), [2**53 + 1])], None, 10)
