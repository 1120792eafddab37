"""Reads a graph that somebody else made: what goes in, what comes out, and what it says of its classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from convert.errors import SourceError, one_line
from registry.manifest import Dtype, Label

MAX_ONNX_BYTES = 1 << 31
"""2 GiB: protobuf holds no more in one piece."""
DTYPES: dict[int, Dtype] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.STRING: "string",
}
FLOATS = ("float32", "float64")
ML = "ai.onnx.ml"
HANDS_ON = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
"""Operators through which labels pass on their way out."""
EXPECTED = (
    "expected a label (n,) of int64 or string and, if it has them, probabilities (n, classes) of float or "
    "double; or one value (n, 1) of float or double"
)


class Port(NamedTuple):
    """An input or output."""

    name: str
    dtype: Dtype
    width: int | None
    """Columns; 1 for ``(n,)``. None: the file does not say."""
    rank: int | None


class Foreign(NamedTuple):
    """A graph as it came, understood."""

    model: ModelProto
    inputs: tuple[Port, ...]
    answer: Port
    """The label, or the value."""
    probabilities: Port | None
    classes: tuple[Label, ...] | None
    """As far as the graph tells them."""

    @property
    def is_matrix(self) -> bool:
        """Whether all features come in one tensor of numbers."""
        return len(self.inputs) == 1 and self.inputs[0].dtype in FLOATS

    @property
    def is_classifier(self) -> bool:
        """Whether the first output is a label."""
        return self.answer.dtype not in FLOATS


def understand(content: bytes) -> Foreign:
    """Read the bytes of an ONNX file.

    Raises:
        SourceError: it is none, keeps its weights in other files, or its inputs or outputs cannot be served.
    """
    model = _parse(content)
    graph = model.graph
    initial = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_input(tensor) for tensor in graph.input if tensor.name not in initial)
    _check_inputs(inputs)
    zipped = _without_zipmaps(graph)
    outputs = [_output(tensor) for tensor in graph.output]
    if not 1 <= len(outputs) <= 2:
        raise SourceError(f"the graph has {len(outputs)} outputs; {EXPECTED}")
    answer, second = outputs[0], outputs[1] if len(outputs) == 2 else None
    classifier = answer.dtype not in FLOATS
    if second and (not classifier or second.dtype not in FLOATS):
        raise SourceError(f"the graph gives {answer.dtype} and {second.dtype}; {EXPECTED}")
    if answer.width not in (None, 1) or (answer.rank or 1) > 2:
        raise SourceError(f"the first output {answer.name!r} has {answer.width} columns; {EXPECTED}")
    classes = (zipped or _told_classes(graph, answer)) if classifier else None
    return Foreign(model, inputs, answer, second, classes)


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and those inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs(inner)


def _parse(content: bytes) -> ModelProto:
    if len(content) > MAX_ONNX_BYTES:
        raise SourceError(f"it has {len(content)} bytes; at most {MAX_ONNX_BYTES} are read")
    try:
        model: ModelProto = onnx.load_model_from_string(content)
    except Exception as error:  # noqa: BLE001  protobuf's own, which onnx does not promise
        raise SourceError(f"it is no ONNX file: {one_line(error)}") from None
    if not model.graph.node:
        raise SourceError("it is no ONNX file, or its graph is empty")
    if outside := [tensor.name for tensor in _tensors(model) if _is_outside(tensor)]:
        raise SourceError(
            f"the weights {outside[0]!r} are in another file; save everything in one: "
            "onnx.save(onnx.load(file), file, save_as_external_data=False)"
        )
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # noqa: BLE001  the checker's own, or protobuf's
        raise SourceError(f"it is no sound ONNX model: {one_line(error)}") from None
    return model


def _is_outside(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data))


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every constant, in subgraphs and functions as well."""
    nodes = [node for function in model.functions for node in function.node]
    for graph in graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        nodes += graph.node
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from (tensor for graph in graphs(inner) for tensor in graph.initializer)


def _port(tensor: ValueInfoProto) -> Port | None:
    kind = tensor.type.tensor_type
    if not tensor.type.HasField("tensor_type") or kind.elem_type not in DTYPES:
        return None
    if not kind.HasField("shape"):
        return Port(tensor.name, DTYPES[kind.elem_type], None, None)
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    return Port(tensor.name, DTYPES[kind.elem_type], dims[1] if len(dims) > 1 else 1, len(dims))


def _input(tensor: ValueInfoProto) -> Port:
    port = _port(tensor)
    if port is None or port.rank not in (None, 2):
        raise SourceError(
            f"the input {tensor.name!r} is no tensor (n, columns) of float, double, int64 or string"
        )
    dims = tensor.type.tensor_type.shape.dim
    if dims and dims[0].HasField("dim_value"):
        raise SourceError(
            f"the input {tensor.name!r} takes exactly {dims[0].dim_value} rows; export it with a "
            "dynamic batch axis"
        )
    return port


def _check_inputs(inputs: Sequence[Port]) -> None:
    if not inputs:
        raise SourceError("the graph has no input")
    if len(inputs) == 1 and inputs[0].dtype in FLOATS:
        return
    if wide := [port for port in inputs if port.width not in (None, 1)]:
        raise SourceError(
            f"the input {wide[0].name!r} has {wide[0].width} columns of {wide[0].dtype}; expected one matrix "
            "of float or double, or one (n, 1) input per feature"
        )


def _output(tensor: ValueInfoProto) -> Port:
    port = _port(tensor)
    if port is None:
        raise SourceError(f"the output {tensor.name!r} is of a type that cannot be served; {EXPECTED}")
    return port


def _without_zipmaps(graph: GraphProto) -> tuple[Label, ...] | None:
    """Lead outputs that are lists of dictionaries back to the tensor behind them, and say its columns."""
    classes: tuple[Label, ...] | None = None
    maps = {node.output[0]: node for node in graph.node if node.op_type == "ZipMap" and node.domain == ML}
    for output in graph.output:
        if output.name in maps:
            node = maps[output.name]
            classes = _attribute(node, "classlabels_strings", "classlabels_int64s")
            graph.node.remove(node)
            shape = [None, len(classes)] if classes else None
            output.CopyFrom(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, shape))
    return classes


def _told_classes(graph: GraphProto, label: Port) -> tuple[Label, ...] | None:
    """What the node says that makes the label, where it is one that says it."""
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    name = label.name
    while name in makers and makers[name].op_type in HANDS_ON:
        name = makers[name].input[0]
    node = makers.get(name)
    if node is None:
        return None
    if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
        found = numpy_helper.to_array(constants[node.input[0]]).reshape(-1).tolist()
        told = tuple(one.decode() if isinstance(one, bytes) else one for one in found)
    else:
        strings = ("classlabels_strings", "values_strings")
        numbers = ("classlabels_ints", "classlabels_int64s", "values_int64s")
        told = _attribute(node, *strings, *numbers) or ()
    wanted = str if label.dtype == "string" else int
    told = tuple(int(one) if isinstance(one, float) and one.is_integer() else one for one in told)
    if len(set(told)) != len(told) or not told or not all(isinstance(one, wanted) for one in told):
        return None
    return told


def _attribute(node: NodeProto, *names: str) -> tuple[Label, ...] | None:
    for attribute in node.attribute:
        if attribute.name in names and (attribute.ints or attribute.strings):
            return tuple(attribute.ints) or tuple(text.decode() for text in attribute.strings)
    return None
