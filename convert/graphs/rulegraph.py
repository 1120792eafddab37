"""The graph of a rule list: one tree of ``<`` splits in float64, built by hand."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from convert.graphs.ensemble import BELOW, ML_OPSET, Ensemble, Tree
from convert.graphs.writer import OPSET
from convert.sources.rules import RuleList


def as_tree(rules: RuleList) -> Tree:
    """Rule ``i`` is node ``2i``; its answer is the left leaf, the next rule or the last resort the right. The
    covers are the training rows that each rule answered."""
    size = 2 * len(rules.rules) + 1
    feature, threshold = np.zeros(size, np.int64), np.zeros(size)
    left, right = np.full(size, -1), np.full(size, -1)
    values, cover = np.zeros((size, len(rules.classes))), np.zeros(size)
    for number, rule in enumerate(rules.rules):
        node = 2 * number
        feature[node], threshold[node] = rules.features.index(rule.feature), rule.below
        left[node], right[node] = node + 1, node + 2
        values[node + 1], cover[node + 1] = rule.probabilities, sum(rule.counts)
    values[-1], cover[-1] = rules.otherwise.probabilities, sum(rules.otherwise.counts)
    for node in range(size - 3, -1, -2):
        cover[node] = cover[node + 1] + cover[node + 2]
    return Tree(feature, threshold, left, right, np.zeros(size, np.bool_), values, BELOW, cover)


def rule_graph(rules: RuleList, name: str) -> ModelProto:
    """``input (n, features) float64`` to ``label (n,) int64`` and ``probabilities (n, classes) float64``."""
    ensemble = Ensemble(len(rules.classes))
    ensemble.add(as_tree(rules))
    nodes = [
        helper.make_node(
            "TreeEnsemble",
            ["input"],
            ["probabilities"],
            "rules",
            domain="ai.onnx.ml",
            **ensemble.attributes(),
        ),
        helper.make_node("ArgMax", ["probabilities"], ["label"], "largest", axis=1, keepdims=0),
    ]
    rows = helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, len(rules.features)])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    shape = [None, len(rules.classes)]
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, shape)
    graph = helper.make_graph(nodes, name, [rows], [label, probabilities])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets)
