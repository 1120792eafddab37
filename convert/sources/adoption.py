"""Gives a graph that somebody else made the house's inputs and outputs.

Nothing between the inputs and the outputs is touched, and the file keeps its own opsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import GraphProto, ModelProto, TensorProto, helper

from convert.errors import SourceError, one_line
from convert.graphs.graph import PRODUCER
from convert.sources.foreign import DTYPES, ML, Foreign, Port, graphs
from registry.manifest import Dtype, Label

INPUT, ANSWERS = "input", ("label", "probabilities", "value")
KINDS = {dtype: kind for kind, dtype in DTYPES.items()}


def adopt(foreign: Foreign, features: int, classes: Sequence[Label], probabilities: bool) -> bytes:
    """The finished model: the label as an index into ``classes``, everything under the house's names.

    A label that is none of the classes gets an index that there is not, so it is an error and never a wrong
    answer. ``probabilities`` False leaves that output out.

    Raises:
        SourceError: the names clash, or the outcome is no sound model.
    """
    model = ModelProto()
    model.CopyFrom(foreign.model)
    graph = model.graph
    if clash := [port.name for port in foreign.inputs if not foreign.is_matrix and port.name in ANSWERS]:
        raise SourceError(f"the input {clash[0]!r} is named like an answer; call the column something else")
    renamed = _make_room(graph)
    if foreign.is_matrix:
        first = renamed.get(foreign.inputs[0].name, foreign.inputs[0].name)
        _rename(graph, {first: INPUT})
    _declare_inputs(graph, foreign, features)
    del graph.output[:]

    def source(port: Port) -> str:
        name = renamed.get(port.name, port.name)
        return INPUT if foreign.is_matrix and port.name == foreign.inputs[0].name else name

    if foreign.is_classifier:
        _add_label(model, foreign.answer, source(foreign.answer), classes)
        if probabilities and foreign.probabilities:
            _add(graph, "Identity", [source(foreign.probabilities)], "probabilities")
            _declare_output(graph, "probabilities", foreign.probabilities.dtype, [None, len(classes)])
    else:
        _add_shape(graph, source(foreign.answer), "value", [-1, 1])
        _declare_output(graph, "value", foreign.answer.dtype, [None, 1])
    return _seal(model)


def _make_room(graph: GraphProto) -> dict[str, str]:
    """Give tensors that have one of the house's names another; says which."""
    taken = {name for each in graphs(graph) for node in each.node for name in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in (*graph.input, *graph.initializer)}
    wanted = [name for name in taken if name.partition("/")[0] in (INPUT, *ANSWERS)]
    columns = {tensor.name for tensor in graph.input} if len(graph.input) > 1 else set()
    renamed = {name: f"file/{name}" for name in wanted if name not in columns}
    while clash := [name for name, new in renamed.items() if new in taken]:
        renamed |= {name: f"file/{renamed[name]}" for name in clash}
    _rename(graph, renamed)
    return renamed


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    for each in graphs(graph):
        for node in each.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        for tensor in (*each.input, *each.output, *each.value_info, *each.initializer):
            tensor.name = names.get(tensor.name, tensor.name)
        for sparse in each.sparse_initializer:
            sparse.values.name = names.get(sparse.values.name, sparse.values.name)


def _declare_inputs(graph: GraphProto, foreign: Foreign, features: int) -> None:
    """The features and nothing else: constants listed among the inputs, as old files have them, go."""
    del graph.input[:]
    for port in foreign.inputs:
        name, width = (INPUT, features) if foreign.is_matrix else (port.name, 1)
        graph.input.append(helper.make_tensor_value_info(name, KINDS[port.dtype], [None, width]))


def _declare_output(graph: GraphProto, name: str, dtype: Dtype, shape: list[int | None]) -> None:
    graph.output.append(helper.make_tensor_value_info(name, KINDS[dtype], shape))


def _add(graph: GraphProto, op: str, inputs: list[str], output: str, **rest: Any) -> None:
    graph.node.append(helper.make_node(op, inputs, [output], name=output, **rest))


def _add_shape(graph: GraphProto, name: str, output: str, shape: list[int]) -> None:
    constant = f"{output}/shape"
    graph.initializer.append(helper.make_tensor(constant, TensorProto.INT64, [len(shape)], shape))
    _add(graph, "Reshape", [name, constant], output)


def _add_label(model: ModelProto, label: Port, name: str, classes: Sequence[Label]) -> None:
    graph = model.graph
    if list(classes) == list(range(len(classes))):
        _add_shape(graph, name, "label", [-1])
    else:
        _add_shape(graph, name, "label/flat", [-1])
        keys = "keys_strings" if label.dtype == "string" else "keys_int64s"
        places = {keys: list(classes), "values_int64s": list(range(len(classes)))}
        _add(graph, "LabelEncoder", ["label/flat"], "label", domain=ML, default_int64=len(classes), **places)
        _raise_ml_opset(model)
    _declare_output(graph, "label", "int64", [None])


def _raise_ml_opset(model: ModelProto) -> None:
    """Opset 2 of ai.onnx.ml, which differs from 1 in nothing but LabelEncoder."""
    versions = [opset for opset in model.opset_import if opset.domain == ML]
    if not versions:
        model.opset_import.append(helper.make_opsetid(ML, 2))
    elif versions[0].version < 2:
        old = [node for each in graphs(model.graph) for node in each.node if node.op_type == "LabelEncoder"]
        if len(old) > 1:
            raise SourceError("it has a LabelEncoder of ai.onnx.ml 1; export it for ai.onnx.ml 2 or later")
        versions[0].version = 2


def _seal(model: ModelProto) -> bytes:
    """Fix what does not belong to the function that the graph computes, and check the rest."""
    model.producer_name, model.producer_version = PRODUCER, ""
    model.domain, model.doc_string, model.model_version = "", "", 0
    model.graph.doc_string = ""
    del model.metadata_props[:]
    model.ir_version = max(model.ir_version, 4)  # before, constants had to be inputs as well
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 13))
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # noqa: BLE001  the checker's own, or that of shape inference
        raise SourceError(f"its graph does not check: {one_line(error)}") from None
    content: bytes = model.SerializeToString(deterministic=True)
    return content
