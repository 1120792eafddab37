"""Decision trees as one opset-5 ``TreeEnsemble`` operator, added up in the order given.

The operator lets a leaf add to one target only. A tree whose leaves hold several numbers is therefore written
several times: the k-th copy adds the k-th number of each leaf that is not zero, and is cut off where nothing
is left to add. Each target still gets one number per tree, in order: the sums are the trainer's to the bit.

The rows that the trainer saw at each leaf travel along as text (``registry.covers``), in an attribute that
the operator does not know: ``convert.graphs.graph.seal`` moves it to the model's metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from registry import covers

AT_MOST, BELOW, EQUAL = 0, 1, 4
"""The operator's modes: a row goes left when its value is ``<=``, ``<`` or ``==`` the threshold."""
SUM, NO_TRANSFORM = 1, 0
ML_OPSET = 5
"""The first version of ``ai.onnx.ml`` that has the operator."""
COVERS = "covers"
"""The attribute that is moved."""

Float = type[np.float32] | type[np.float64]


@dataclass(frozen=True)
class Tree:
    """``n`` nodes, the root first and every parent before its children."""

    feature: NDArray[np.int64]
    """``(n,)``, read at splits only."""
    threshold: NDArray[np.floating[Any]]
    """``(n,)``, read at splits only."""
    left: NDArray[np.int64]
    """``(n,)``, -1 at leaves."""
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    """``(n,)``: whether NaN goes left."""
    values: NDArray[np.floating[Any]]
    """``(n, targets)``, read at leaves only."""
    mode: int | NDArray[np.uint8] = AT_MOST
    """Of every split, or ``(n,)``."""
    cover: NDArray[np.floating[Any]] | None = None
    """``(n,)``: weight of the training rows that came to the node, as the trainer counts it. None:
    unknown."""


@dataclass
class Ensemble:
    """Collects trees and gives the attributes of the operator.

    ``dtype`` is that of thresholds, leaves, sums and of the operator's input and output.
    """

    targets: int
    dtype: Float = np.float64
    _roots: list[int] = field(default_factory=list)
    _nodes: list[tuple[NDArray[Any], ...]] = field(default_factory=list)
    """Per tree: feature, threshold, mode, true and false children, whether these are leaves, missing."""
    _leaves: list[tuple[NDArray[np.int64], NDArray[Any]]] = field(default_factory=list)
    """Per tree: targets and weights."""
    _covers: list[list[list[Any]]] | None = field(default_factory=list)
    """Per tree, as it was added: per copy of it, that of each leaf. None: unknown."""
    _node_count: int = 0
    _leaf_count: int = 0

    def constant(self, target: int, value: float) -> None:
        """Add the same number for every row."""
        self._begin(True)
        self._single(np.int64(target), self.dtype(value))

    def add(self, tree: Tree, target: int | None = None) -> None:
        """Append a tree. With ``target``, its leaves hold one number each and all of them add to that one;
        otherwise it is written in as many copies as its richest leaf has numbers."""
        self._begin(tree.cover is not None)
        if target is not None:
            where = np.full(len(tree.left), target, np.int64)
            self._append(tree, where, tree.values[:, 0], np.zeros(len(where), np.bool_))
            return
        present = tree.values != 0
        order = np.argsort(~present, axis=1, kind="stable")
        number = present.sum(axis=1)
        leaf = tree.left < 0
        for copy in range(max(1, int(number[leaf].max()))):
            where = order[:, copy]
            weight = np.take_along_axis(tree.values, where[:, None], axis=1)[:, 0]
            weight = np.where(copy < number, weight, 0.0)
            self._append(tree, where, weight, _empty(tree, weight == 0))

    def attributes(self) -> dict[str, Any]:
        """Attributes of the operator, plain lists and tensors."""
        columns = [np.concatenate(column) for column in zip(*self._nodes, strict=True)]
        features, thresholds, modes, trues, falses, true_leaves, false_leaves, missing = columns
        targets, weights = (np.concatenate(column) for column in zip(*self._leaves, strict=True))
        attributes: dict[str, Any] = {
            "aggregate_function": SUM,
            "post_transform": NO_TRANSFORM,
            "n_targets": self.targets,
            "tree_roots": self._roots,
            "nodes_featureids": features.tolist(),
            "nodes_splits": numpy_helper.from_array(thresholds.astype(self.dtype)),
            "nodes_modes": numpy_helper.from_array(modes.astype(np.uint8)),
            "nodes_truenodeids": trues.tolist(),
            "nodes_falsenodeids": falses.tolist(),
            "nodes_trueleafs": true_leaves.tolist(),
            "nodes_falseleafs": false_leaves.tolist(),
            "leaf_targetids": targets.tolist(),
            "leaf_weights": numpy_helper.from_array(weights.astype(self.dtype)),
        }
        if missing.any():
            attributes["nodes_missing_value_tracks_true"] = missing.tolist()
        if self._covers is not None:
            attributes[COVERS] = covers.write(self._covers)
        return attributes

    def _begin(self, covered: bool) -> None:
        """Another tree; with one whose covers are unknown, those of the others are of no use."""
        self._covers = self._covers if covered else None
        if self._covers is not None:
            self._covers.append([])

    def _cover(self, leaves: list[Any]) -> None:
        if self._covers is not None:
            self._covers[-1].append(leaves)

    def _single(self, target: np.int64, weight: Any) -> None:
        """The operator wants a split at every root: this one's two leaves are equal.

        Two, and not one that both ways lead to: onnxruntime 1.24 to 1.29 gives wrong sums for such roots.
        """
        first, second, leaf = np.array([self._leaf_count]), np.array([self._leaf_count + 1]), np.array([1])
        zero = np.array([0])
        twice = np.array([target, target]), np.array([weight, weight])
        self._cover([1, 1])  # whatever they are: equal leaves tell nothing apart
        self._push(*twice, zero, zero, zero, first, second, leaf, leaf, zero)

    def _append(
        self, tree: Tree, target: NDArray[np.int64], weight: NDArray[Any], empty: NDArray[np.bool_]
    ) -> None:
        """One copy. Under a node that is ``empty`` there is nothing to add: it becomes a leaf of zero."""
        end = (tree.left < 0) | empty
        if end[0]:
            self._single(target[0], weight[0])
            return
        reached = _reached(tree, end)
        kept = np.flatnonzero(reached & ~end)
        index = self._node_count + np.cumsum(reached & ~end) - 1
        ends = np.flatnonzero(reached & end)
        leaf_index = np.zeros(len(end), np.int64)
        leaf_index[ends] = self._leaf_count + np.arange(len(ends))
        left, right = tree.left[kept], tree.right[kept]
        if tree.cover is not None:
            self._cover(list(tree.cover[ends]))
        self._push(
            target[ends],
            np.where(empty[ends], 0.0, weight[ends]),
            tree.feature[kept],
            tree.threshold[kept],
            np.broadcast_to(tree.mode, end.shape)[kept],
            np.where(end[left], leaf_index[left], index[left]),
            np.where(end[right], leaf_index[right], index[right]),
            end[left].astype(np.int64),
            end[right].astype(np.int64),
            tree.missing_left[kept].astype(np.int64),
        )

    def _push(self, targets: NDArray[np.int64], weights: NDArray[Any], *nodes: NDArray[Any]) -> None:
        self._roots.append(self._node_count)
        self._nodes.append(nodes)
        self._leaves.append((targets, weights))
        self._node_count += len(nodes[0])
        self._leaf_count += len(targets)


def _empty(tree: Tree, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nodes below which every leaf is zero."""
    leaf = tree.left < 0
    empty = leaf & zero
    for node in np.flatnonzero(~leaf)[::-1]:
        empty[node] = empty[tree.left[node]] and empty[tree.right[node]]
    return empty


def _reached(tree: Tree, end: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nodes that have no end above them."""
    reached = np.ones(len(end), np.bool_)
    for node in np.flatnonzero(tree.left >= 0):
        if end[node] or not reached[node]:
            reached[tree.left[node]] = reached[tree.right[node]] = False
    return reached
