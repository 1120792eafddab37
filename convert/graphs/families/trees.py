"""scikit-learn's trees and forests.

skl2onnx's own converters sum votes in float32: forests lose ties, and the last bits of every probability, and
send missing values the wrong way. These do what scikit-learn does, in its order: round the row to float32,
compare in float64, add the leaves of all trees in float64, divide once, take the first of the largest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from convert.graphs.ensemble import Ensemble, Tree
from convert.graphs.registration import EXACT, register
from convert.graphs.writer import Classified, Tensor, Writer

CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor)
MAX_VOTES = 1 << 24
"""Up to here float32 holds every whole number."""


def read_tree(tree: Any, factor: float = 1.0) -> Tree:
    """A fitted ``tree_``; ``factor`` (a learning rate) multiplies each leaf."""
    return Tree(
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold,
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=tree.missing_go_to_left.astype(np.bool_),
        values=tree.value[:, 0, :] * factor,
        cover=tree.weighted_n_node_samples,
    )


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """Mean of the trees' class frequencies."""
    trees = _read(model)
    if _pure(trees):
        votes = _votes(w, trees, x)
        return Classified(w.largest(votes), _mean(w, w.double(votes), len(trees)))
    mean = _mean(w, _sum(w, trees, x), len(trees))
    return Classified(w.largest(mean), mean)  # two sums may differ and their means be equal


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Mean of the trees' values."""
    trees = _read(model)
    return _mean(w, _sum(w, trees, x), len(trees))


def _read(model: Any) -> list[Tree]:
    return [read_tree(member.tree_) for member in getattr(model, "estimators_", [model])]


def _pure(trees: list[Tree]) -> bool:
    """Whether every leaf votes for one class, so that sums are whole numbers, which float32 adds exactly."""
    values = [tree.values[tree.left < 0] for tree in trees]
    return len(trees) < MAX_VOTES and all(((part == 0) | (part == 1)).all() for part in values)


def _votes(w: Writer, trees: list[Tree], x: Tensor) -> Tensor:
    """Number of trees for each class; half the memory, and no number is widened on the way."""
    ensemble = Ensemble(trees[0].values.shape[1], np.float32)
    for tree in trees:
        ensemble.add(replace(tree, threshold=rounded_down(tree.threshold)))
    return w.ensemble(w.single(x), ensemble)


def _sum(w: Writer, trees: list[Tree], x: Tensor) -> Tensor:
    ensemble = Ensemble(trees[0].values.shape[1])
    for tree in trees:
        ensemble.add(tree)
    return w.ensemble(w.single(x), ensemble)


def _mean(w: Writer, total: Tensor, trees: int) -> Tensor:
    return total if trees == 1 else w.op("Div", total, w.constant(np.float64(trees), "trees"))


def rounded_down(thresholds: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The largest float32 not above each threshold: a float32 is ``<=`` both or neither."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


for kind in CLASSIFIERS:
    register(kind, classifier, EXACT)
for kind in REGRESSORS:
    register(kind, regressor, EXACT)
