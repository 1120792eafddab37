"""A row alone, through bound memory: the same bits as through arrays, for every dtype and thread."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from registry.manifest import Feature, Signature, Value
from registry.store import Entry
from server.onerow import BoundRow, FedRow
from server.session import Session
from tests.server import homemade
from tests.server.test_session import graph, passing, signature, valued

NUMBERS = st.floats(-3.4028234663852886e38, 3.4028234663852886e38)


def columns() -> tuple[bytes, Signature]:
    """A model of three columns of three dtypes, whose value is the third minus the others."""
    kinds = {"small": TensorProto.FLOAT, "whole": TensorProto.INT64, "wide": TensorProto.DOUBLE}
    casts = [helper.make_node("Cast", [name], [f"{name}_"], to=TensorProto.DOUBLE) for name in kinds]
    model = graph(
        [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, 1])],
        [
            *casts,
            helper.make_node("Sub", ["wide_", "small_"], ["rest"]),
            helper.make_node("Sub", ["rest", "whole_"], ["value"]),
        ],
    )
    features = (
        Feature(name="small", dtype="float32"),
        Feature(name="whole", dtype="int64"),
        Feature(name="wide", dtype="float64"),
    )
    return model, Signature(features=features)


@pytest.mark.parametrize("onnx_dtype", [TensorProto.FLOAT, TensorProto.DOUBLE])
@given(row=st.tuples(NUMBERS, NUMBERS))
def test_a_row_is_rounded_as_an_array_is(onnx_dtype: int, row: tuple[float, float]) -> None:
    """float64 to float32, subnormals and signs of zero included: what comes back has the same bits."""
    name = "float32" if onnx_dtype == TensorProto.FLOAT else "float64"
    session = SESSIONS.setdefault(name, Session(passing(onnx_dtype), signature(name, name)))
    assert isinstance(session.one, BoundRow)
    _, numbers = session.one.all(row)
    assert np.array(numbers, name).tobytes() == session.feed([row])["input"].tobytes()


SESSIONS: dict[str, Session] = {}


@given(row=st.tuples(NUMBERS, st.integers(-(2**63), 2**63 - 1), st.floats(-1e300, 1e300)))
def test_columns_of_several_dtypes_share_one_memory(row: tuple[Value, ...]) -> None:
    """Each value lands where its own input reads it, however they have to be aligned."""
    session = SESSIONS.setdefault("columns", Session(*columns()))
    assert isinstance(session.one, BoundRow)
    together = session.values(session.feed([row]))
    assert np.array([session.one.first(row)]).tobytes() == together.tobytes()


def test_missing_goes_in_as_nan() -> None:
    """Where a feature may be missing."""
    features = tuple(Feature(name=f"x{i}", dtype="float32", may_be_missing=True) for i in range(2))
    session = Session(passing(), Signature(features=features, classes=("a", "b")))
    _, numbers = session.one.all((None, 1.0))
    assert math.isnan(numbers[0])
    assert numbers[1] == 1.0
    summed = Session(valued(), Signature(features=features))
    assert math.isnan(summed.one.first((None, 1.0)))


def test_an_output_that_depends_on_what_else_is_asked_for_is_refused() -> None:
    """No graph does that; if one did, a label without probabilities would not be the proved one."""
    session = Session(valued(), signature("float32", "float32", classes=()))
    session.one.first = lambda row: 0.0  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="depends on what else is asked for"):
        session.one_answer((1.5, 2.25))


def test_text_goes_through_arrays() -> None:
    """A string cannot be packed."""
    entry = homemade.classifier("paint")
    session = Session(entry.model, entry.manifest.signature)
    assert isinstance(session.one, FedRow)
    for row, label in zip(homemade.ROWS, homemade.LABELS, strict=True):
        assert session.one.first(row) == label
        assert session.one.all(row)[0] == [label]


def test_a_regression_gives_its_value() -> None:
    """As the one number of the one output."""
    session = Session(valued(), signature("float32", "float32", classes=()))
    assert session.one.first((1.5, 2.25)) == 3.75
    assert session.one.all((1.5, 2.25)) == [[3.75]]


def test_threads_do_not_meet(entry: Entry) -> None:
    """Eight threads at once: every answer is that of the thread's own row."""
    session = Session(entry.model, entry.manifest.signature)
    rows = [tuple(map(float, row)) for row in entry.golden.inputs]  # type: ignore[arg-type]
    expected = [(session.one.first(row), session.one.all(row)) for row in rows]
    wrong: list[Any] = []

    def ask(start: int) -> None:
        for index in range(start, start + 2000):
            row = index * 7 % len(rows)
            if (session.one.first(rows[row]), session.one.all(rows[row])) != expected[row]:
                wrong.append(rows[row])

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
