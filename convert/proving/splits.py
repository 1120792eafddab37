"""Reads the split thresholds back from a finished graph: what is verified is what will be served.

A tree may stand behind a scaler or read some of the columns only. As long as what it reads is a column times
a number plus a number, the threshold is calculated back to the input; rounding on the way is allowed for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

Split = tuple[int, float]
"""Feature number and threshold."""
SLACK_ULP = 2
"""So far from the calculated value the true threshold may lie, where there was arithmetic in between."""


class Column(NamedTuple):
    """``scale * feature + offset``."""

    feature: int
    scale: float = 1.0
    offset: float = 0.0
    single: bool = False
    """Whether that is rounded to float32 before it is compared."""


Columns = list[Column | None]
"""Of one tensor; None is anything else."""


class Found(NamedTuple):
    """Distinct splits of the trees of a graph."""

    splits: list[Split]
    complete: bool
    """Whether there are trees, and every threshold of theirs was found."""


def splits(model: bytes) -> Found:
    """Splits of every tree, sorted, as values of the input."""
    graph = onnx.load_from_string(model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    width = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim][-1]
    columns: dict[str, Columns] = {tensor.name: [Column(number)] for number, tensor in enumerate(graph.input)}
    if len(graph.input) == 1:
        columns = {graph.input[0].name: [Column(number) for number in range(width)]}
    found: set[Split] = set()
    trees, unknown = 0, 0
    for node in graph.node:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type in READERS:
            trees += 1
            read = columns.get(node.input[0])
            for feature, threshold in READERS[node.op_type](attributes):
                column = read[feature] if read else None
                unknown += column is None
                found.update(_back(column, threshold) if column else ())
            targets = attributes.get("n_targets", 1)
            columns[node.output[0]] = [None] * targets  # trees may ask other trees, beside the features
        elif node.op_type in STEPS:
            columns[node.output[0]] = STEPS[node.op_type](node, attributes, columns, constants)
    # A split at infinity only tells missing values from others; no row can stand beside it.
    known = sorted(split for split in found if math.isfinite(split[1]))
    return Found(known, trees > 0 and unknown == 0)


def _back(column: Column, threshold: float) -> list[Split]:
    if column.scale == 1.0 and column.offset == 0.0:
        return [(column.feature, threshold)]
    if column.scale == 0.0:
        return []
    found = []
    for edge in _edges(threshold) if column.single else [threshold]:
        value = (edge - column.offset) / column.scale
        found += [value + step * math.ulp(value) for step in range(-SLACK_ULP, SLACK_ULP + 1)]
    return [(column.feature, each) for each in found]


def _edges(threshold: float) -> list[float]:
    """Where the rounding to float32 changes around the threshold: half-way to the next float32 on each side.

    A number that is rounded before it is compared changes sides there, and not at the threshold.
    """
    with np.errstate(over="ignore"):
        single = np.float32(threshold)
        below, above = (float(np.nextafter(single, np.float32(way))) for way in (-np.inf, np.inf))
    return [(below + float(single)) / 2, (float(single) + above) / 2]


def _opset5(attributes: dict[str, Any]) -> list[Split]:
    thresholds = numpy_helper.to_array(attributes["nodes_splits"]).astype(np.float64)
    return list(set(zip(attributes["nodes_featureids"], thresholds.tolist(), strict=True)))


def _classic(attributes: dict[str, Any]) -> list[Split]:
    modes, features = attributes["nodes_modes"], attributes["nodes_featureids"]
    thresholds = attributes["nodes_values"]
    nodes = zip(features, thresholds, modes, strict=True)
    return [(feature, float(threshold)) for feature, threshold, mode in nodes if mode != b"LEAF"]


READERS = {"TreeEnsemble": _opset5, "TreeEnsembleClassifier": _classic, "TreeEnsembleRegressor": _classic}

Known = dict[str, Columns]
Constants = dict[str, NDArray[Any]]
Step = Callable[[NodeProto, dict[str, Any], Known, Constants], Columns]


def _same(node: NodeProto, _: dict[str, Any], known: Known, __: Constants) -> Columns:
    return known.get(node.input[0], [])


def _cast(node: NodeProto, attributes: dict[str, Any], known: Known, __: Constants) -> Columns:
    rounds = attributes["to"] == onnx.TensorProto.FLOAT
    read = known.get(node.input[0], [])
    return [column and column._replace(single=column.single or rounds) for column in read]


def _chosen(node: NodeProto, attributes: dict[str, Any], known: Known, constants: Constants) -> Columns:
    """Of a gather along the columns."""
    read, picked = known.get(node.input[0], []), constants.get(node.input[1])
    if not read or picked is None or (node.op_type == "Gather" and attributes.get("axis", 0) != 1):
        return []
    return [read[index] for index in picked.ravel().tolist()]


def _joined(node: NodeProto, _: dict[str, Any], known: Known, __: Constants) -> Columns:
    parts = [known.get(name, []) for name in node.input]
    return [column for part in parts for column in part] if all(parts) else []


def _filled(node: NodeProto, _: dict[str, Any], known: Known, __: Constants) -> Columns:
    """Of a ``Where`` that puts something in the place of missing values: the branch that is no constant."""
    return next((known[name] for name in node.input[1:] if known.get(name)), [])


def _arithmetic(node: NodeProto, _: dict[str, Any], known: Known, constants: Constants) -> Columns:
    read, other = known.get(node.input[0], []), constants.get(node.input[1])
    if not read or other is None or other.size not in (1, len(read)):
        return []
    numbers = np.broadcast_to(other.astype(np.float64).ravel(), len(read)).tolist()
    return [
        _calculated(node.op_type, column, number) if column else None
        for column, number in zip(read, numbers, strict=True)
    ]


def _calculated(kind: str, column: Column, number: float) -> Column | None:
    feature, scale, offset, _ = column
    match kind:
        case "Add":
            return Column(feature, scale, offset + number)
        case "Sub":
            return Column(feature, scale, offset - number)
        case "Mul":
            return Column(feature, scale * number, offset * number)
    return Column(feature, scale / number, offset / number) if number else None


STEPS: dict[str, Step] = {
    "Cast": _cast,
    "Clip": _same,
    "Gather": _chosen,
    "ArrayFeatureExtractor": _chosen,
    "Concat": _joined,
    "Where": _filled,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
}
