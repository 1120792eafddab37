"""Decision trees as one opset-5 ``TreeEnsemble`` operator in float64, added up in the order given.

The operator lets a leaf add to one target only. A tree whose leaves hold several classes is therefore written
several times: the k-th copy adds the k-th class of each leaf that is not zero, and is cut off where nothing
is left to add. Each class is still added once per tree, in order, so the sums are the trainer's to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

AT_MOST, BELOW = 0, 1
"""The operator's modes: a row goes left when its value is ``<=`` or ``<`` the threshold."""
SUM, NO_TRANSFORM = 1, 0
ML_OPSET = 5
"""The first version of ``ai.onnx.ml`` that has the operator."""


@dataclass(frozen=True)
class Tree:
    """``n`` nodes, the root first and every parent before its children."""

    feature: NDArray[np.int64]
    """``(n,)``, read at splits only."""
    threshold: NDArray[np.float64]
    """``(n,)``, read at splits only."""
    left: NDArray[np.int64]
    """``(n,)``, -1 at leaves."""
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    """``(n,)``: whether NaN goes left."""
    values: NDArray[np.float64]
    """``(n, classes)``, read at leaves only."""


class Ensemble:
    """Collects trees and gives the attributes of the operator."""

    def __init__(self, mode: int) -> None:
        """``mode`` is ``AT_MOST`` or ``BELOW``, for every split."""
        self._mode = mode
        self._targets = 0
        self._roots: list[int] = []
        self._nodes: list[tuple[int, float, int, int, int, int, int]] = []
        self._leaves: list[tuple[int, float]] = []

    def add(self, tree: Tree) -> None:
        """Append a tree, in as many copies as its richest leaf has classes."""
        self._targets = tree.values.shape[1]
        present = tree.values != 0
        order = np.argsort(~present, axis=1, kind="stable")
        number = present.sum(axis=1)
        for copy in range(int(number[tree.left < 0].max())):
            target = order[:, copy]
            weight = np.take_along_axis(tree.values, target[:, None], axis=1)[:, 0]
            self._copy(tree, target, np.where(copy < number, weight, 0.0))

    def attributes(self) -> dict[str, Any]:
        """Attributes of the operator, plain lists and tensors."""
        features, thresholds, trues, falses, true_leaves, false_leaves, missing = zip(
            *self._nodes, strict=True
        )
        targets, weights = zip(*self._leaves, strict=True)
        attributes: dict[str, Any] = {
            "aggregate_function": SUM,
            "post_transform": NO_TRANSFORM,
            "n_targets": self._targets,
            "tree_roots": self._roots,
            "nodes_featureids": list(features),
            "nodes_splits": numpy_helper.from_array(np.array(thresholds, np.float64)),
            "nodes_modes": numpy_helper.from_array(np.full(len(features), self._mode, np.uint8)),
            "nodes_truenodeids": list(trues),
            "nodes_falsenodeids": list(falses),
            "nodes_trueleafs": list(true_leaves),
            "nodes_falseleafs": list(false_leaves),
            "leaf_targetids": list(targets),
            "leaf_weights": numpy_helper.from_array(np.array(weights, np.float64)),
        }
        if any(missing):
            attributes["nodes_missing_value_tracks_true"] = list(missing)
        return attributes

    def _copy(self, tree: Tree, target: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        leaf = tree.left < 0
        empty = np.where(leaf, weight == 0, False)
        for node in np.flatnonzero(~leaf)[::-1]:
            empty[node] = empty[tree.left[node]] and empty[tree.right[node]]
        self._roots.append(len(self._nodes))
        if leaf[0]:  # the operator wants a split at every root: both ways lead to the one leaf
            only = self._leaf(target[0], weight[0])
            self._nodes.append((0, 0.0, only, only, 1, 1, 0))
            return
        kept = ~leaf & ~empty
        index = len(self._nodes) + np.cumsum(kept) - 1

        def child(node: int) -> tuple[int, int]:
            if kept[node]:
                return int(index[node]), 0
            return self._leaf(target[node], 0.0 if empty[node] else weight[node]), 1

        for node in np.flatnonzero(kept):
            true, true_leaf = child(tree.left[node])
            false, false_leaf = child(tree.right[node])
            split = int(tree.feature[node]), float(tree.threshold[node])
            missing = int(tree.missing_left[node])
            self._nodes.append((*split, true, false, true_leaf, false_leaf, missing))

    def _leaf(self, target: int | np.int64, weight: float | np.float64) -> int:
        self._leaves.append((int(target), float(weight)))
        return len(self._leaves) - 1
