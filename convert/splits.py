"""Reads the split thresholds back from a finished graph: what is verified is what will be served."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper

Split = tuple[int, float]
"""Feature number and threshold."""


def splits(model: bytes) -> list[Split]:
    """Distinct splits of every tree that reads the input itself, sorted. Empty when no tree does."""
    graph = onnx.load_from_string(model).graph
    found: set[Split] = set()
    for node in graph.node:
        if node.op_type in READERS and _reads_input(graph, node):
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            found.update(READERS[node.op_type](attributes))
    # A split at infinity only tells missing values from others; no row can stand beside it.
    return sorted((feature, threshold) for feature, threshold in found if math.isfinite(threshold))


def _opset5(attributes: dict[str, Any]) -> list[Split]:
    thresholds = onnx.numpy_helper.to_array(attributes["nodes_splits"]).astype(np.float64)
    return list(zip(attributes["nodes_featureids"], thresholds.tolist(), strict=True))


def _classic(attributes: dict[str, Any]) -> list[Split]:
    modes, features = attributes["nodes_modes"], attributes["nodes_featureids"]
    thresholds = attributes["nodes_values"]
    nodes = zip(features, thresholds, modes, strict=True)
    return [(feature, float(threshold)) for feature, threshold, mode in nodes if mode != b"LEAF"]


READERS = {"TreeEnsemble": _opset5, "TreeEnsembleClassifier": _classic}


def _reads_input(graph: GraphProto, node: NodeProto) -> bool:
    """Whether only casts stand before the node; behind a scaler a threshold is no value of the input."""
    makers = {output: maker for maker in graph.node for output in maker.output}
    source = node.input[0]
    while source in makers and makers[source].op_type == "Cast":
        source = makers[source].input[0]
    return bool(source == graph.input[0].name)
