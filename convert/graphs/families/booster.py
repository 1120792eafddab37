"""Reads a fitted booster of XGBoost: its trees or weights, what it starts from, and what it answers with.

The library writes itself down as JSON, every float32 with enough digits. What it does not write down, the
margin that all sums start from, is asked of the library.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xgboost import Booster, DMatrix

from convert.errors import Unconvertible
from convert.graphs.ensemble import BELOW, Tree

Singles = NDArray[np.float32]
LEFT, MISSING, RIGHT = 0.0, 1.0, 2.0
"""What a ``Membership`` says of a row."""


@dataclass(frozen=True)
class Membership:
    """Whether the code of a category is in a set: one test of a categorical split."""

    feature: int
    codes: tuple[int, ...]
    """Distinct, ascending."""


@dataclass(frozen=True)
class Read:
    """A booster, as far as it is used."""

    objective: str
    features: int
    base: Singles
    """``(targets,)``: the margins of a row before the first tree."""
    trees: tuple[tuple[int, Tree], ...] = ()
    """Target and tree, in the order in which they are added up. A split at feature ``features + k`` reads
    what the k-th membership says."""
    memberships: tuple[Membership, ...] = ()
    weights: Singles | None = None
    """``(features + 1, targets)`` of a linear booster, the last row its bias."""

    @property
    def targets(self) -> int:
        """Sums per row."""
        return len(self.base)

    def negated(self) -> Read:
        """The same with every sum's sign turned, which costs no rounding."""
        trees = tuple((target, replace(tree, values=-tree.values)) for target, tree in self.trees)
        weights = None if self.weights is None else -self.weights
        return replace(self, base=-self.base, trees=trees, weights=weights)


def read(model: Any) -> Read:
    """What a fitted estimator of the library predicts with: up to its best iteration, if it has one.

    Raises:
        Unconvertible: it has several outputs, or reads columns of pandas categories.
    """
    booster = model.get_booster()
    written = json.loads(bytes(booster.save_raw("json")))
    learner = written["learner"]
    size = learner["learner_model_param"]
    if int(size["num_target"]) > 1:
        raise Unconvertible(
            f"this {type(model).__name__} has {size['num_target']} outputs; only one can be served: "
            "fit one model per output"
        )
    known = Read(learner["objective"]["name"], int(size["num_feature"]), _base(written))
    gradient = learner["gradient_booster"]
    if "weights" in gradient["model" if "model" in gradient else "gbtree"]:
        weights = np.array(gradient["model"]["weights"], np.float32)
        return replace(known, weights=weights.reshape(-1, known.targets))
    dropped = gradient.get("weight_drop")
    forest = gradient.get("gbtree", gradient)["model"]
    _refuse_pandas_categories(forest, learner["feature_names"])
    memberships: dict[Membership, int] = {}
    trees = []
    for number in range(_used(booster, forest["iteration_indptr"])):
        target = forest["tree_info"][number]
        tree = _tree(forest["trees"][number], known.features, memberships)
        if dropped is not None:
            tree = _weighed(tree, known.base[target], np.float32(dropped[number]))
        trees.append((target, tree))
    return replace(known, trees=tuple(trees), memberships=tuple(memberships))


def _used(booster: Booster, ends: list[int]) -> int:
    """Number of trees that are added up; the estimators stop after the best iteration, if one is noted."""
    best = booster.attr("best_iteration")
    return ends[-1] if best is None else ends[int(best) + 1]


def _base(written: dict[str, Any]) -> Singles:
    """What the booster answers when all that it has learnt is zero, ``(targets,)``.

    The base score is written down as a probability or a mean; how that becomes a margin, to the last bit, is
    the library's own affair.
    """
    blank = copy.deepcopy(written)
    blank["learner"].update(attributes={}, feature_names=[], feature_types=[])
    gradient = blank["learner"]["gradient_booster"]
    parts = gradient.get("gbtree", gradient)["model"]
    linear = "weights" in parts
    if linear:
        parts["weights"] = [0.0] * len(parts["weights"])
    for tree in parts.get("trees", ()):
        ends = zip(tree["left_children"], tree["split_conditions"], strict=True)
        tree["split_conditions"] = [0.0 if left < 0 else condition for left, condition in ends]
    silent = Booster(params={"nthread": 1})
    silent.load_model(bytearray(json.dumps(blank).encode()))
    row = np.zeros((1, int(blank["learner"]["learner_model_param"]["num_feature"])), np.float32)
    if linear:
        found = silent.predict(DMatrix(row, nthread=1), output_margin=True)
    else:
        found = silent.inplace_predict(row, predict_type="margin")
    return np.asarray(found, np.float32).reshape(-1)


def _tree(written: dict[str, Any], features: int, memberships: dict[Membership, int]) -> Tree:
    """One tree; ``memberships`` grows by those that it asks and that are not numbered yet."""
    left = np.array(written["left_children"], np.int64)
    right = np.array(written["right_children"], np.int64)
    feature = np.array(written["split_indices"], np.int64)
    condition = np.array(written["split_conditions"], np.float32)
    missing_left = np.array(written["default_left"], np.bool_)
    hessian = np.array(written["sum_hessian"], np.float32)
    threshold = condition.copy()
    for node, codes in _categories(written):
        asked = Membership(int(feature[node]), codes)
        feature[node] = features + memberships.setdefault(asked, len(memberships))
        threshold[node] = (MISSING + RIGHT) / 2 if missing_left[node] else (LEFT + MISSING) / 2
    order = _from_the_root(left, right)
    place = np.full(len(left) + 1, -1)  # the last is read by leaves, whose children are -1
    place[order] = np.arange(len(order))
    return Tree(
        feature=feature[order],
        threshold=threshold[order],
        left=place[left[order]],
        right=place[right[order]],
        missing_left=missing_left[order],
        values=condition[order, None],
        mode=BELOW,
        cover=hessian[order],
    )


def _categories(written: dict[str, Any]) -> list[tuple[int, tuple[int, ...]]]:
    """Nodes with a categorical split, and the codes that go right there."""
    starts, sizes = written["categories_segments"], written["categories_sizes"]
    return [
        (node, tuple(sorted(written["categories"][start : start + size])))
        for node, start, size in zip(written["categories_nodes"], starts, sizes, strict=True)
    ]


def _from_the_root(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Nodes in use, parents first; pruning leaves dead ones between them, whose places are used again."""
    order = [0]
    for node in order:  # grows while it is read
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
    return np.array(order, np.int64)


def _weighed(tree: Tree, base: np.float32, weight: np.float32) -> Tree:
    """A tree of a dart booster, which takes the base off the sum of both before it weighs the tree."""
    return replace(tree, values=((tree.values + base) - base) * weight)


def _refuse_pandas_categories(forest: dict[str, Any], names: list[str]) -> None:
    """Such a model refuses plain codes, and the numbers of its categories differ from frame to frame."""
    columns = forest.get("cats", {}).get("enc", [])
    coded = [number for number, column in enumerate(columns) if len(column["values"])]
    if coded:
        told = ", ".join(repr(names[number]) if names else f"number {number}" for number in coded)
        raise Unconvertible(
            f"feature {told} was a pandas category in training; fit on an array of codes, "
            "with feature_types=['c', …] for these features"
        )
