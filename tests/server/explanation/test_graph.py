"""Models as the explanation reads them, against the onnx package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from server.explanation.graph import Graph, read
from server.explanation.wire import Malformed
from server.settings import SHIPPED_REGISTRY
from tests.server.explanation.asked import IRIS, SPECIES, changed, graph_of

SHIPPED = [path.read_bytes() for path in sorted(Path(SHIPPED_REGISTRY).glob("*/*/model.onnx"))]
SMALL = SHIPPED[1]


Decoded = tuple[dict[str, Any], list[dict[str, Any]]]
"""Constants, and the attributes of each node."""


def decoded(model: onnx.ModelProto) -> Decoded:
    """As the onnx package has them."""
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type != TensorProto.STRING
    }
    nodes = [{each.name: value_of(each) for each in node.attribute} for node in model.graph.node]
    return constants, nodes


def value_of(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        return [text.decode() for text in value]
    return value


def alike(found: Graph, model: onnx.ModelProto, theirs: Decoded) -> None:
    """Everything that is read is what the onnx package reads."""
    graph, (constants, attributes) = model.graph, theirs
    assert found.inputs == tuple(each.name for each in graph.input)
    assert found.outputs == tuple(each.name for each in graph.output)
    assert found.metadata == {entry.key: entry.value for entry in model.metadata_props}
    for name, value in found.constants.items():
        same(value, constants[name])
    assert len(found.nodes) == len(graph.node)
    for mine, node, values in zip(found.nodes, graph.node, attributes, strict=True):
        assert mine[:3] == (node.op_type, node.name, node.domain)
        assert (mine.inputs, mine.outputs) == (tuple(node.input), tuple(node.output))
        assert mine.attributes.keys() == values.keys()
        for name, kept in mine.attributes.items():
            if kept is not None:
                same(kept, values[name])


def same(mine: Any, theirs: Any) -> None:
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))


@pytest.mark.parametrize("at", range(len(SHIPPED)))
def test_the_shipped_models(at: int) -> None:
    """To the last number."""
    found = read(SHIPPED[at])
    theirs = onnx.load_from_string(SHIPPED[at])
    alike(found, theirs, decoded(theirs))
    assert found.constants.keys() == decoded(theirs)[0].keys()
    assert found.metadata


def test_constants_in_every_form() -> None:
    """Raw bytes and typed fields, of every dtype that is read; text is passed over."""
    model, _ = graph_of(make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, SPECIES))
    kinds = [np.float32, np.float64, np.int64, np.int32, np.int8, np.uint8, np.bool_]

    def add(proto: onnx.ModelProto) -> None:
        for kind in kinds:
            values: NDArray[Any] = np.array([[0, 1, 1]], kind)
            name = np.dtype(kind).name
            proto.graph.initializer.append(numpy_helper.from_array(values, f"raw {name}"))
            number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            plain = helper.make_tensor(f"plain {name}", number, [1, 3], values.ravel().tolist())
            proto.graph.initializer.append(plain)
        text = helper.make_tensor("text", TensorProto.STRING, [1], np.array(["a"], object))
        proto.graph.initializer.append(text)
        proto.graph.node[0].attribute.append(helper.make_attribute("list", [1.5, 2.5]))
        proto.graph.node[0].attribute.append(helper.make_attribute("words", ["a", "b"]))
        proto.graph.node[0].attribute.append(helper.make_attribute("one", 0.5))
        proto.graph.node[0].attribute.append(helper.make_attribute("word", "a"))
        proto.graph.node[0].attribute.append(helper.make_attribute("graph", proto.graph))

    content = changed(model, add)
    found = read(content)
    theirs = onnx.load_from_string(content)
    alike(found, theirs, decoded(theirs))
    assert len(found.constants) >= 2 * len(kinds)
    assert "text" not in found.constants
    assert found.nodes[0].attributes["graph"] is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda proto: proto.ClearField("graph"), "one graph"),
        (lambda proto: proto.functions.add(name="f"), "one graph"),
        (lambda proto: proto.graph.initializer.add(name="x", data_type=1, dims=[2]), "more or fewer"),
        (lambda proto: proto.graph.initializer.add(name="x", data_type=1, dims=[-1]), "impossible shape"),
        (lambda proto: proto.graph.initializer.add(name="x", data_type=1, dims=[1] * 9), "impossible shape"),
        (
            lambda proto: proto.graph.initializer.add(name="x", data_type=1, raw_data=b"abc"),
            "within a number",
        ),
        (lambda proto: proto.graph.initializer.add(name="x", data_type=1, data_location=1), "another file"),
    ],
)
def test_what_is_not_taken_is_refused(change: Any, why: str) -> None:
    """And says why."""
    with pytest.raises(Malformed, match=why):
        read(changed(SMALL, change))


def test_every_beginning_of_a_model_is_refused_or_read() -> None:
    """Cut off anywhere, nothing else happens than a refusal."""
    for end in range(len(SMALL)):
        try:
            read(SMALL[:end])
        except Malformed:
            continue
        assert onnx.load_from_string(SMALL[:end]).graph.name


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_models_are_refused_or_read_alike(changes: list[tuple[int, int]]) -> None:
    """Whatever both readers take, they take for the same."""
    damaged = bytearray(SMALL)
    for place, byte in changes:
        damaged[place] = byte
    try:
        found = read(bytes(damaged))
    except Malformed:
        return
    try:
        theirs = onnx.load_from_string(bytes(damaged))
        values = decoded(theirs)
    except (DecodeError, ValueError, TypeError, KeyError):  # they refuse what makes no sense later than we do
        return
    alike(found, theirs, values)
