"""The one door to onnxruntime: what it takes, what it refuses, how numbers travel."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from registry.errors import BrokenEntry
from registry.manifest import Bound, Feature, Signature
from server.session import Session, within


def signature(*dtypes: str, classes: tuple[str, ...] = ("a", "b")) -> Signature:
    """Features x0, x1, … of these dtypes."""
    features = tuple(Feature(name=f"x{i}", dtype=dtype) for i, dtype in enumerate(dtypes))  # type: ignore[arg-type]
    return Signature(features=features, classes=classes)


def graph(inputs: list[Any], outputs: list[Any], nodes: list[Any]) -> bytes:
    """A model of these parts."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs), opset_imports=opsets, ir_version=10
    )
    content: bytes = model.SerializeToString()
    return content


def passing(dtype: int = TensorProto.FLOAT, width: int = 2, label: str = "label", wide: int = 2) -> bytes:
    """A model whose probabilities are its input and whose label is the larger one."""
    return graph(
        [helper.make_tensor_value_info("input", dtype, [None, width])],
        [
            helper.make_tensor_value_info(label, TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", dtype, [None, wide]),
        ],
        [
            helper.make_node("Identity", ["input"], ["probabilities"]),
            helper.make_node("ArgMax", ["input"], [label], axis=1, keepdims=0),
        ],
    )


def valued(dtype: int = TensorProto.FLOAT, wide: int | None = 1) -> bytes:
    """A model whose value is the sum of its input; ``wide`` is what it says of the value, None: a scalar."""
    rows = [
        helper.make_node("Constant", [], ["axes"], value_ints=[1]),
        helper.make_node("ReduceSum", ["input", "axes"], ["sum"]),
        helper.make_node("Concat", ["sum"] * (wide or 1), ["value"], axis=1),
    ]
    return graph(
        [helper.make_tensor_value_info("input", dtype, [None, 2])],
        [helper.make_tensor_value_info("value", dtype, [None, wide] if wide else [])],
        rows if wide else [helper.make_node("ReduceSum", ["input"], ["value"], keepdims=0)],
    )


@pytest.mark.parametrize(
    ("onnx_dtype", "dtype", "expected"),
    [(TensorProto.FLOAT, "float32", np.float32(0.1)), (TensorProto.DOUBLE, "float64", 0.1)],
)
def test_a_number_is_rounded_once_to_the_models_dtype(onnx_dtype: int, dtype: str, expected: float) -> None:
    """0.1 reaches a float32 model as the nearest float32, a float64 model as it is."""
    session = Session(passing(onnx_dtype), signature(dtype, dtype))
    labels, probabilities = session.answers(session.feed([(0.1, 0.2)]))
    assert probabilities[0, 0] == expected
    assert labels.tolist() == session.labels(session.feed([(0.1, 0.2)])).tolist() == [1]


@pytest.mark.parametrize(
    ("onnx_dtype", "dtype"), [(TensorProto.FLOAT, np.float32), (TensorProto.DOUBLE, np.float64)]
)
def test_a_regression_gives_values(onnx_dtype: int, dtype: type) -> None:
    """One per row, in the model's own dtype; everything that it gives is one column of them."""
    name = np.dtype(dtype).name
    session = Session(valued(onnx_dtype), signature(name, name, classes=()))
    feed = session.feed([(0.1, 0.2), (3.0, 4.5)])
    expected = [dtype(0.1) + dtype(0.2), dtype(7.5)]
    assert session.values(feed).tolist() == expected
    labels, numbers = session.answers(feed)
    assert numbers.tolist() == [[value] for value in expected]
    assert (len(labels), numbers.dtype.name) == (0, name)


def test_a_classifier_without_probabilities_gives_labels() -> None:
    """What else the model has is not asked for."""
    given = msgspec.structs.replace(signature("float32", "float32"), probabilities=False)
    session = Session(passing(), given)
    labels, numbers = session.answers(session.feed([(0.1, 0.9), (0.8, 0.3)]))
    assert (labels.tolist(), numbers.shape) == ([1, 0], (2, 0))


@given(
    expected=st.floats(width=32, allow_nan=False, allow_infinity=False).map(np.float32)
    | st.floats(allow_nan=False, allow_infinity=False).map(np.float64),
    steps=st.integers(-12, 12),
    ulp=st.integers(0, 9),
    absolute=st.sampled_from([0.0, 1e-9, 1.0, 1e300]),
)
@example(np.finfo(np.float64).max, 1, 1, 0.0)
@example(np.finfo(np.float32).max, -3, 2, 0.0)
@example(np.float32(1.0), -4, 2, 0.0)
def test_within_is_a_count_of_units_in_the_last_place(
    expected: np.floating[Any], steps: int, ulp: int, absolute: float
) -> None:
    """The same as counting with fractions: a distance in units of the expected number, or an absolute one."""
    served, bound = expected, Bound(ulp=ulp, absolute=absolute)
    with np.errstate(over="ignore"):
        for _ in range(abs(steps)):
            served = np.nextafter(served, served.dtype.type(math.copysign(math.inf, steps)))
    right = within(np.array([served]), np.array([expected], np.float64), bound)
    assert right.tolist() == [slowly_within(served, expected, bound)]


def slowly_within(served: np.floating[Any], expected: np.floating[Any], bound: Bound) -> bool:
    """The definition, with numbers that never round."""
    if np.isinf(served):
        return False
    away = abs(Fraction(float(served)) - Fraction(float(expected)))
    exponent = max(math.frexp(float(expected))[1] - 1, int(np.finfo(served.dtype).minexp))
    unit = Fraction(2) ** (exponent - int(np.finfo(served.dtype).nmant)) if expected else least(served.dtype)
    return away <= max(bound.ulp * unit, Fraction(bound.absolute))


def least(dtype: Any) -> Fraction:
    """The smallest number above zero."""
    return Fraction(float(np.finfo(dtype).smallest_subnormal))


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [Bound(), Bound(ulp=4), Bound(absolute=1e300), Bound(ulp=4, absolute=1.0)])
def test_within_of_what_is_no_number(dtype: type, bound: Bound) -> None:
    """NaN is right where NaN is expected, an infinity where the same is; no bound is wide enough else."""
    right = [(NAN, NAN), (INF, INF), (-INF, -INF), (0.0, -0.0)]
    wrong = [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (1.0, INF), (INF, -INF), (-INF, NAN), (NAN, INF)]
    served, expected = np.array([*right, *wrong]).T
    found = within(served.astype(dtype), expected, bound)
    assert found.tolist() == [True] * len(right) + [False] * len(wrong)


def test_missing_reaches_the_model_as_nan() -> None:
    """None in a row is NaN in the array."""
    session = Session(passing(), signature("float32", "float32"))
    assert np.isnan(session.feed([(None, 1.0)])["input"][0, 0])


def test_an_array_of_rows_is_as_good_as_tuples() -> None:
    """The converter proves with arrays what the server asks with tuples."""
    session = Session(passing(), signature("float32", "float32"))
    rows = np.array([[0.1, 0.9], [0.8, 0.3]])
    assert session.labels(session.feed(rows)).tolist() == session.labels(session.feed(rows.tolist())).tolist()


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (b"", signature("float32"), "refuses the model"),
        (b"not a model", signature("float32"), "refuses the model"),
        (passing()[:-9], signature("float32", "float32"), "refuses the model"),
        (passing(width=3, wide=3), signature("float32", "float32"), "the signature says"),
        (passing(), signature("float64", "float64"), "the signature says"),
        (passing(label="output_label"), signature("float32", "float32"), "expected an output 'label'"),
        (
            passing(width=3, wide=3),
            signature(*["float32"] * 3),
            "3 numbers as 'probabilities', the .* says 2",
        ),
        (passing(), signature("float32", "float32", classes=()), "expected an output 'value'"),
        (valued(), signature("float32", "float32"), "expected an output 'label'"),
        (valued(wide=2), signature("float32", "float32", classes=()), "2 numbers as 'value', the .* says 1"),
        (valued(wide=None), signature("float32", "float32", classes=()), "no row of numbers as 'value'"),
    ],
)
def test_a_model_that_is_not_what_its_signature_says(model: bytes, given: Signature, words: str) -> None:
    """Admission at load: inputs, outputs and widths, told in words of the model."""
    with pytest.raises(BrokenEntry, match=words):
        Session(model, given)


def test_an_input_of_another_type() -> None:
    """A bool input is none of the dtypes that a signature has."""
    info = helper.make_tensor_value_info
    model = graph(
        [info("input", TensorProto.BOOL, [None, 1])],
        [info("label", TensorProto.BOOL, [None, 1])],
        [helper.make_node("Identity", ["input"], ["label"])],
    )
    with pytest.raises(BrokenEntry, match=r"is a tensor\(bool\)"):
        Session(model, signature("float32"))


def test_a_zipmap_is_refused() -> None:
    """The usual converters' output, a list of dictionaries, is told apart by its type."""
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, number))
    node = helper.make_node("ZipMap", ["input"], ["label"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    graph = helper.make_graph(
        [node],
        "zipped",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [helper.make_value_info("label", maps)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8)
    with pytest.raises(BrokenEntry, match="expected an output 'label'"):
        Session(model.SerializeToString(), signature("float32", "float32"))
