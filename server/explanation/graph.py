"""The parts of an ONNX model that an explanation needs: nodes, their attributes, constants, metadata.

Numbers of fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. What is not asked for
(types of tensors, subgraphs, documentation) is passed over.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.explanation.wire import Malformed, Message

MAX_DIMENSIONS = 8
NUMPY: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    11: np.float64,
}
"""By the number that ONNX gives a dtype."""
Attributes = dict[str, Any]
"""int, float, str, array; None: of a type that is not read."""


class Node(NamedTuple):
    """One operator."""

    kind: str
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes


class Graph(NamedTuple):
    """Nodes in the order in which they run."""

    nodes: tuple[Node, ...]
    constants: dict[str, NDArray[Any]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: dict[str, str]


def read(model: bytes) -> Graph:
    """What a model file holds.

    Raises:
        Malformed: it is no ONNX model, or one that this reader does not take (several graphs, functions,
            constants in other files).
    """
    whole = Message(memoryview(model))
    if len(whole.pieces(7)) != 1 or 25 in whole:
        raise Malformed("expected a model of one graph")
    graph = next(whole.messages(7))
    metadata = {entry.text(1): entry.text(2) for entry in whole.messages(14)}
    constants = {each.text(8): _tensor(each) for each in graph.messages(5)}
    return Graph(
        nodes=tuple(_node(each) for each in graph.messages(1)),
        constants={name: value for name, value in constants.items() if value is not None},
        inputs=tuple(each.text(1) for each in graph.messages(11)),
        outputs=tuple(each.text(1) for each in graph.messages(12)),
        metadata=metadata,
    )


def _node(message: Message) -> Node:
    return Node(
        kind=message.text(4),
        name=message.text(3),
        domain=message.text(7),
        inputs=tuple(message.texts(1)),
        outputs=tuple(message.texts(2)),
        attributes={each.text(1): _attribute(each) for each in message.messages(5)},
    )


def _attribute(message: Message) -> Any:
    match message.integer(20):  # AttributeProto.AttributeType
        case 1:
            found = message.floats(2)
            return float(found[-1]) if len(found) else 0.0
        case 2:
            return message.integer(3)
        case 3:
            return message.text(4)
        case 4:
            return _tensor(next(message.messages(5), Message(memoryview(b""))))
        case 6:
            return message.floats(7)
        case 7:
            return message.integers(8)
        case 8:
            return message.texts(9)
    return None


def _tensor(message: Message) -> NDArray[Any] | None:
    """None for a dtype that is not read: text, above all."""
    shape, dtype = message.integers(1), NUMPY.get(message.integer(2))
    if message.integer(14) or 13 in message or 3 in message:
        raise Malformed("a constant lies in another file, or in parts")
    if len(shape) > MAX_DIMENSIONS or (shape < 0).any():
        raise Malformed("a constant has an impossible shape")
    if dtype is None:
        return None
    values = _values(message, np.dtype(dtype))
    if math.prod(shape.tolist()) != len(values):
        raise Malformed("a constant has more or fewer numbers than its shape says")
    return values.reshape(shape.tolist())


def _values(message: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    raw = message.pieces(9)
    if raw:
        if len(raw[-1]) % dtype.itemsize:
            raise Malformed("a constant ends within a number")
        return np.frombuffer(raw[-1], dtype.newbyteorder("<")).astype(dtype)
    match dtype.name:
        case "float32":
            return message.floats(4)
        case "float64":
            return message.doubles(10)
        case "int64":
            return message.integers(7)
    return message.integers(5).astype(dtype)
