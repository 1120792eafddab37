"""What each feature added to the sum of a forest: path-dependent Shapley values, exact, in polynomial time.

The game is that of TreeSHAP (Lundberg et al., From local explanations to global understanding with
explainable AI for trees, Nature Machine Intelligence 2020, Algorithm 2): a feature that is known sends a row
the way that its value says, one that is not sends it both ways, in the shares in which the training rows
went. ``predict(…, pred_contribs=True)`` of XGBoost and ``pred_contrib=True`` of LightGBM play the same game.

Each leaf is a game of its own, and a product: its weight, times 1 or 0 for each known feature of its path,
times the share z of each unknown one. The Shapley value of feature i in a product game is

    weight * (o_i - z_i) * integral over t from 0 to 1 of the product over j ≠ i of (z_j + t (o_j - z_j))

(Owen, Multilinear extensions of games, Management Science 1972), where o is 1 if the row meets all the
conditions on that feature, else 0. The integrand is a polynomial of a degree below the number m of features
on the path, so that Gauss-Legendre with ceil(m / 2) points is exact. Nothing cancels in it: every factor is
positive, while Algorithm 2 takes one away from the other when it unwinds a path. Time is O(leaves * m²), as
there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.errors import NotExplainable
from server.explanation.forest import MAX_CELLS, Bools, Forest, Ints

Floats = NDArray[np.float64]
Places = NDArray[np.int32]
"""There are few enough of them; half the memory."""


class Group(NamedTuple):
    """The leaves whose paths ask ``m`` features."""

    leaf: Places
    """``(n,)``"""
    feature: Places
    """``(n, m)``"""
    share: Floats
    """``(n, m)``: of the training rows that met the conditions on the feature, of those that came to them."""
    first: Places
    """``(n * m,)``: where the conditions of each begin in ``nodes``."""
    nodes: Places
    sides: Bools
    """The conditions: a node, and whether its true side leads to the leaf."""


class Game:
    """The games of all leaves, made ready once for every row."""

    def __init__(self, forest: Forest, sources: Ints, features: int) -> None:
        """``sources`` names the feature that each column of the operator's input is made of.

        Raises:
            NotExplainable: covers are unknown or zero, or the trees are too many and too deep.
        """
        if forest.cover is None:
            raise NotExplainable(
                "its graph does not say how many training rows came to each leaf, as it was converted before "
                "graphs did, or elsewhere; convert the trained model again"
            )
        if not (np.isfinite(forest.cover) & (forest.cover > 0)).all():
            raise NotExplainable("no training row came to one of its leaves, so that nobody knows its share")
        if forest.leaves * forest.depth > MAX_CELLS:
            raise NotExplainable(
                f"its {forest.leaves} leaves, up to {forest.depth} splits deep, are more than are explained"
            )
        self._forest, self.features = forest, features
        self._groups = _grouped(forest, sources)
        self.base = self._base()
        """``(targets,)``: the mean of the sums over the training rows, as the trees have them."""
        self.work = sum(group.feature.size * (points(group.feature.shape[1]) + 2) for group in self._groups)
        """Multiplications, about."""

    def contributions(self, answers: Bools) -> Floats:
        """Of each feature to each target, ``(features, targets)``; ``answers`` are those of ``Forest``."""
        forest = self._forest
        total = np.zeros(self.features * forest.targets)
        for group in self._groups:
            met = answers[group.nodes] == group.sides
            one = np.logical_and.reduceat(met, group.first).reshape(group.feature.shape)
            value = _shapley(one, group.share) * forest.weight[group.leaf, None]
            place = group.feature * forest.targets + forest.target[group.leaf, None]
            total += np.bincount(place.ravel(), value.ravel(), len(total))
        return total.reshape(self.features, forest.targets)

    def _base(self) -> Floats:
        forest = self._forest
        base = np.zeros(forest.targets)
        for group in self._groups:
            weight = group.share.prod(axis=1) * forest.weight[group.leaf]
            base += np.bincount(forest.target[group.leaf], weight, forest.targets)
        return base


def points(features: int) -> int:
    """Of the quadrature that is exact for so many."""
    return (features + 1) // 2


def _shapley(one: Bools, share: Floats) -> Floats:
    """Shapley values of product games, ``(n, m)`` each."""
    slope = one - share
    value = np.zeros(share.shape)
    for place, weight in zip(*np.polynomial.legendre.leggauss(points(share.shape[1])), strict=True):
        factor = share + (place + 1) / 2 * slope  # from -1 … 1 to 0 … 1; above 0, as shares are
        value += weight / 2 * (factor.prod(axis=1, keepdims=True) / factor)
    return value * slope


def _grouped(forest: Forest, sources: Ints) -> list[Group]:
    assert forest.cover is not None
    leaf, node, side = _conditions(forest)
    feature = sources[forest.feature[node]].astype(np.int32)
    order = np.lexsort((feature, leaf))
    leaf, node, side, feature = leaf[order], node[order], side[order], feature[order]
    children = forest.children[(~side).astype(np.int8), node]
    below = np.where(children >= 0, children, len(forest.feature) + ~children)
    # A pair is a leaf and a feature on its path, with the conditions on that.
    first = np.flatnonzero(np.append(True, (leaf[1:] != leaf[:-1]) | (feature[1:] != feature[:-1])))
    share = np.multiply.reduceat(forest.cover[below] / forest.cover[node], first)
    asked = np.bincount(leaf[first], minlength=forest.leaves)
    pairs = np.argsort(asked[leaf[first]], kind="stable")
    length = np.diff(np.append(first, len(leaf)))[pairs]
    end = np.cumsum(length)
    conditions = np.repeat(first[pairs] - (end - length), length) + np.arange(len(leaf))
    node, side = node[conditions], side[conditions]
    leaf, feature, share = leaf[first][pairs], feature[first][pairs], share[pairs]
    groups, at, began = [], 0, 0
    for size, leaves in enumerate(np.bincount(asked).tolist()):
        if not leaves:
            continue
        mine = slice(at, at + size * leaves)
        ended = int(end[mine.stop - 1])
        groups.append(
            Group(
                leaf=leaf[mine].reshape(leaves, size)[:, 0].copy(),
                feature=feature[mine].reshape(leaves, size).copy(),
                share=share[mine].reshape(leaves, size).copy(),
                first=(end[mine] - length[mine] - began).astype(np.int32),
                nodes=node[began:ended].copy(),
                sides=side[began:ended].copy(),
            )
        )
        at, began = mine.stop, ended
    return groups


def _conditions(forest: Forest) -> tuple[Places, Places, Bools]:
    """Every leaf with every node above it, and whether the way leads through its true side."""
    leaf = np.arange(forest.leaves, dtype=np.int32)
    at: Places = leaf + np.int32(len(forest.feature))
    leaves, nodes, sides = [], [], []
    while len(leaf):
        above = forest.parents[at]
        inner = above >= 0
        leaf, above, side = leaf[inner], above[inner], forest.sides[at][inner]
        leaves.append(leaf)
        nodes.append(above)
        sides.append(side)
        at = above
    return np.concatenate(leaves), np.concatenate(nodes), np.concatenate(sides)
