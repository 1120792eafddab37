"""Features followed through a graph, operator by operator."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from server.explanation.columns import Columns
from server.explanation.graph import read


def test_what_is_followed_is_what_onnxruntime_does() -> None:
    """Every operator on columns, against onnxruntime, with NaN, infinities and zeros."""
    helper, numbers = onnx.helper, onnx.TensorProto
    constants = {
        "row": np.array([[0.5, -2.0, 0.0]]),
        "one": np.array(1.5),
        "picked": np.array([2, 0, 0]),
        "nan": np.array(np.nan),
    }
    binary = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less", "LessOrEqual"]
    binary += ["Greater", "GreaterOrEqual"]
    nodes = [helper.make_node(kind, ["x", "row"], [kind]) for kind in binary]
    nodes += [helper.make_node(kind, ["x"], [kind]) for kind in ("Abs", "Neg", "IsNaN", "Identity")]
    nodes += [
        helper.make_node("Not", ["Less"], ["Not"]),
        helper.make_node("And", ["Less", "Equal"], ["And"]),
        helper.make_node("Or", ["Less", "IsNaN"], ["Or"]),
        helper.make_node("Where", ["IsNaN", "one", "x"], ["Where"]),
        helper.make_node("Gather", ["x", "picked"], ["Gather"], axis=1),
        helper.make_node("Concat", ["x", "Abs"], ["Concat"], axis=1),
        helper.make_node("Cast", ["x"], ["Cast"], to=numbers.FLOAT),
        helper.make_node("Cast", ["IsNaN"], ["flag"], to=numbers.DOUBLE),
    ]
    names = [node.output[0] for node in nodes]
    graph = helper.make_graph(
        nodes,
        "columns",
        [helper.make_tensor_value_info("x", numbers.DOUBLE, [1, 3])],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    content = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    columns = Columns(read(content), {"x": np.arange(3)}, {})
    for row in ([0.5, -2.0, 0.0], [np.nan, np.inf, -0.0], [1e-320, -np.inf, 0.1], [0.25, 7, np.nan]):
        x = np.array([row])
        mine = columns.values({"x": x})
        for name, theirs in zip(names, session.run(names, {"x": x}), strict=True):
            assert mine[name].dtype == theirs.dtype, name
            np.testing.assert_array_equal(mine[name], theirs, err_msg=name)
    assert columns.sources["Gather"].tolist() == [2, 0, 0]
    assert columns.sources["Concat"].tolist() == [0, 1, 2, 0, 1, 2]
    assert columns.sources["Where"].tolist() == [0, 1, 2]


def test_what_is_not_followed() -> None:
    """Operators over several columns, along rows, out of range, on shapes that do not fit."""
    helper, numbers = onnx.helper, onnx.TensorProto
    constants = {
        "cube": np.ones((1, 1, 1)),
        "three": np.ones((1, 3)),
        "tall": np.ones((2, 1)),
        "far": np.array([7]),
        "at": np.array([0]),
    }
    nodes = [
        helper.make_node("Add", ["x", "y"], ["different"]),
        helper.make_node("Add", ["x", "three"], ["wider"]),
        helper.make_node("Add", ["x", "tall"], ["taller"]),
        helper.make_node("Add", ["x", "cube"], ["deeper"]),
        helper.make_node("Concat", ["x", "y"], ["below"], axis=0),
        helper.make_node("Concat", ["x", "three"], ["beside a constant"], axis=1),
        helper.make_node("Gather", ["x", "far"], ["out of range"], axis=1),
        helper.make_node("Gather", ["x", "at"], ["rows"], axis=0),
        helper.make_node("Cast", ["x"], ["text"], to=numbers.STRING),
        helper.make_node("Sin", ["x"], ["sine"]),
        helper.make_node("Abs", ["x"], ["elsewhere"], domain="com.example"),
        helper.make_node("Abs", ["three"], ["constant"]),
        helper.make_node("Concat", ["x", "z"], ["narrow"], axis=1),
        helper.make_node("Add", ["narrow", "x"], ["narrower"]),
    ]
    inputs = [helper.make_tensor_value_info(name, numbers.DOUBLE, [1, 2]) for name in "xyz"]
    graph = helper.make_graph(
        nodes, "columns", inputs, inputs, [onnx.numpy_helper.from_array(v, n) for n, v in constants.items()]
    )
    content = helper.make_model(graph).SerializeToString()
    given = {"x": np.array([0, 1]), "y": np.array([1, 0]), "z": np.array([2])}
    columns = Columns(read(content), given, {})
    assert columns.sources.keys() - given.keys() == {"narrow"}
