"""The trees of one ``TreeEnsemble`` operator: which way a row goes, and what it meets there.

Comparisons and sums are those of onnxruntime: in the dtype of the operator, tree after tree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import covers
from server.errors import NotExplainable
from server.explanation.graph import Node
from server.explanation.wire import Malformed

AT_MOST, BELOW, EQUAL = 0, 1, 4
MODES = {AT_MOST: ("<=", ">"), BELOW: ("<", ">="), EQUAL: ("==", "!=")}
"""Of a split: what holds for rows that go to the true side, and for the others."""
MAX_DEPTH = 500
MAX_CELLS = 4_000_000
"""Leaves times depth: at most so many conditions stand on all paths together, each of up to 60 bytes."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.floating[Any]]


class Forest:
    """Checked: every node and leaf is reached from one root, in one way."""

    def __init__(self, node: Node, cover_text: str | None) -> None:
        """Read the attributes of the operator, and the rows that came to each leaf, if they are known.

        Raises:
            Malformed: the attributes contradict each other.
            NotExplainable: the operator does something that is not explained here.
        """
        given = node.attributes
        if given.get("aggregate_function", 1) != 1 or given.get("post_transform", 0) != 0:
            raise NotExplainable("its trees are not added up")
        self.targets = int(given.get("n_targets", 1))
        self.roots = _ints(given, "tree_roots")
        self.feature = _ints(given, "nodes_featureids")
        self.mode = _array(given, "nodes_modes").astype(np.int64)
        self.threshold: Numbers = _array(given, "nodes_splits")
        self.missing = _ints(given, "nodes_missing_value_tracks_true", len(self.feature)) != 0
        self.target = _ints(given, "leaf_targetids")
        self.weight: Numbers = _array(given, "leaf_weights")
        yes, no = (_ints(given, f"nodes_{side}nodeids") for side in ("true", "false"))
        ends = (_ints(given, f"nodes_{side}leafs") for side in ("true", "false"))
        sides = [np.where(end != 0, ~child, child) for child, end in zip((yes, no), ends, strict=True)]
        self.children = np.stack(sides)
        """``(2, nodes)``: the true and the false child; of a leaf its complement."""
        self._check_values()
        self.parents, self.sides, self.depth = self._climbed()
        self.tree_of_leaf, self.cover, self.copies = self._covered(cover_text)

    @property
    def leaves(self) -> int:
        """Of all trees together."""
        return len(self.target)

    def answers(self, row: Numbers) -> Bools:
        """Whether a row ``(columns,)`` of the operator's input goes to the true side, at each node
        ``(nodes,)``, wherever it comes by."""
        read = row[self.feature]
        with np.errstate(invalid="ignore"):
            true = np.select(
                [self.mode == AT_MOST, self.mode == BELOW],
                [read <= self.threshold, read < self.threshold],
                read == self.threshold,
            )
        found: Bools = true | (self.missing & np.isnan(read))
        return found

    def reached(self, answers: Bools) -> Ints:
        """The leaf of each root, ``(roots,)``."""
        at = self.roots.copy()
        while (inner := at >= 0).any():
            node = at[inner]
            at[inner] = self.children[1 - answers[node].astype(np.int64), node]
        return ~at

    def path(self, root: int, answers: Bools) -> list[int]:
        """Nodes on the way down from a root."""
        nodes, at = [], int(self.roots[root])
        while at >= 0:
            nodes.append(at)
            at = int(self.children[0 if answers[at] else 1, at])
        return nodes

    def sums(self, leaves: Ints) -> Numbers:
        """What onnxruntime adds up, ``(targets,)``: one leaf after the other, in the operator's own dtype."""
        total = np.zeros(self.targets, self.weight.dtype)
        np.add.at(total, self.target[leaves], self.weight[leaves])
        return total

    def trivial(self, root: int) -> bool:
        """Whether the root's answer is the same whatever the row: a constant, written as a split."""
        ends = ~self.children[:, self.roots[root]]
        return bool(
            (ends >= 0).all()
            and self.target[ends[0]] == self.target[ends[1]]
            and self.weight[ends[0]] == self.weight[ends[1]]
        )

    def _check_values(self) -> None:
        nodes, leaves = len(self.feature), len(self.target)
        columns = (self.mode, self.threshold, self.missing, self.children[0])
        sound = nodes > 0 and all(len(column) == nodes for column in columns) and leaves == len(self.weight)
        sound = sound and self.threshold.dtype == self.weight.dtype and self.threshold.dtype.kind == "f"
        sound = sound and self.feature.min() >= 0 and leaves > 0 and 0 < self.targets <= MAX_CELLS
        if not sound or self.target.min() < 0 or self.target.max() >= self.targets:
            raise Malformed("the attributes of its trees do not fit together")
        if not np.isin(self.mode, list(MODES)).all():
            raise NotExplainable("it has splits of a kind that is not explained here (membership of a set)")

    def _climbed(self) -> tuple[NDArray[np.int32], Bools, int]:
        """Of nodes, and then of leaves: the parent (-1 at roots), and whether it is its true child; the
        depth.

        Raises:
            Malformed: a node or a leaf is nobody's child, or somebody's twice.
        """
        nodes, leaves = len(self.feature), len(self.target)
        places = np.where(self.children >= 0, self.children, nodes + ~self.children)
        if places.min() < 0 or (self.children >= nodes).any() or places.max() >= nodes + leaves:
            raise Malformed("a child of its trees is not there")
        if (self.roots < 0).any() or (self.roots >= nodes).any():
            raise Malformed("a root of its trees is not there")
        met = np.bincount(np.concatenate([places.ravel(), self.roots]), minlength=nodes + leaves)
        if (met != 1).any():
            raise Malformed("the nodes of its trees do not hang together")
        parents, sides = np.full(nodes + leaves, -1, np.int32), np.zeros(nodes + leaves, np.bool_)
        for side, child in enumerate(places):
            parents[child], sides[child] = np.arange(nodes), side == 0
        at, seen, depth = self.roots, 0, 0
        while len(at):
            seen, depth = seen + len(at), depth + 1
            if depth > MAX_DEPTH:
                raise NotExplainable(f"it has trees with more than {MAX_DEPTH} splits on one path")
            below = self.children[:, at].ravel()
            at = below[below >= 0]
        if seen != nodes:
            raise Malformed("the nodes of its trees go round in a circle")
        return parents, sides, depth

    def _covered(self, text: str | None) -> tuple[Ints, NDArray[np.float64] | None, list[range]]:
        """The root of each leaf, ``(leaves,)``; the rows that came to each node and then to each leaf; and
        the roots of each tree.

        Raises:
            Malformed: the covers are not those of these trees.
        """
        nodes = len(self.feature)
        order = np.full(len(self.parents), -1)
        order[self.roots] = np.arange(len(self.roots))
        levels = [self.roots]
        while len(levels[-1]):
            children = self.children[:, levels[-1]]
            places = np.where(children >= 0, children, nodes + ~children)
            order[places] = order[levels[-1]]
            below = children.ravel()
            levels.append(below[below >= 0])
        roots = order[nodes:]
        if text is None:
            return roots, None, [range(root, root + 1) for root in range(len(self.roots))]
        try:
            told = covers.read(text)
        except ValueError:
            raise Malformed("its covers are no numbers") from None
        sizes = [len(copy) for tree in told for copy in tree]
        if not np.array_equal(np.repeat(np.arange(len(sizes)), sizes), roots) or len(sizes) != len(
            self.roots
        ):
            raise Malformed("its covers are those of other trees")
        cover = np.zeros(len(self.parents))
        cover[nodes:] = [weight for tree in told for copy in tree for weight in copy]
        for level in reversed(levels[:-1]):
            children = self.children[:, level]
            cover[level] = cover[np.where(children >= 0, children, nodes + ~children)].sum(axis=0)
        ends = np.cumsum([len(tree) for tree in told]).tolist()
        copies = [range(end - len(tree), end) for end, tree in zip(ends, told, strict=True)]
        return roots, cover, copies


def _ints(given: dict[str, Any], name: str, size: int = 0) -> Ints:
    found = given.get(name)
    if found is None:
        return np.zeros(size, np.int64)
    if not isinstance(found, np.ndarray) or found.dtype != np.int64 or found.ndim != 1:
        raise Malformed(f"{name} is no list of integers")
    return found


def _array(given: dict[str, Any], name: str) -> NDArray[Any]:
    found = given.get(name)
    if not isinstance(found, np.ndarray) or found.ndim != 1:
        raise Malformed(f"{name} is no list of numbers")
    return found
