"""scikit-learn's HistGradientBoosting.

As the trainer does: compare in float64, start from the baseline, add the leaf of one tree after the other,
and follow the loss. Values of a categorical feature are in the set of the left branch, or known and not in
it, or as good as missing; each set is a question (``convert.graphs.questions``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from convert.errors import Unconvertible
from convert.graphs.ensemble import Ensemble, Tree
from convert.graphs.families.boosting import binary, bound, exponential, softmax
from convert.graphs.questions import HALF, Piece, Question, Questions, ask
from convert.graphs.registration import DOUBLED, EXACT, register
from convert.graphs.writer import Classified, Tensor, Writer
from registry.manifest import Bound

LOG_LINKED = ("gamma", "poisson")
"""Losses of regressions whose sums are logarithms of the answers."""


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """The second of two classes where the sum is above zero, or the class of the largest sum."""
    if len(model.classes_) < 2:
        raise Unconvertible(
            f"this {type(model).__name__} was fitted on one class; it answers with two probabilities then"
        )
    if model.n_trees_per_iteration_ > 1:
        raw = _sums(w, model, x)
        return Classified(w.largest(raw), softmax(w, raw, len(model.classes_)), raw)
    negated = _sums(w, model, x, -1.0)
    return binary(w, negated, 0.0, strict=True)


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The sum, or its exponential."""
    raw = _sums(w, model, x)
    return exponential(w, raw) if model.loss in LOG_LINKED else raw


def regressor_bound(model: Any) -> Bound:
    """Exact but for ``exp``."""
    return DOUBLED if model.loss in LOG_LINKED else EXACT


def _sums(w: Writer, model: Any, x: Tensor, sign: float = 1.0) -> Tensor:
    """``sign`` times the raw predictions, ``(n, sums)``."""
    start = np.ravel(model._baseline_prediction)
    places, categories = _columns(model)
    questions = Questions(model.n_features_in_)
    ensemble = Ensemble(len(start))
    for target, value in enumerate(start):
        ensemble.constant(target, sign * value)
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            ensemble.add(_tree(predictor, places, categories, questions, sign), target)
    return w.ensemble(questions.widened(w, w.double(x)), ensemble)


def _columns(model: Any) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """Where the input has each column that the trees read, ``(features,)``, and the known values of the
    categorical ones, which the trainer moves to the front and tells by their places in this list."""
    categorical = model.is_categorical_
    if categorical is None:
        return np.arange(model.n_features_in_), []
    encoder = model._preprocessor.named_transformers_["encoder"]
    front = np.flatnonzero(categorical)
    known = encoder.categories_
    strings = [number for number, values in zip(front, known, strict=True) if values.dtype.kind in "OUS"]
    if strings:
        names = getattr(model, "feature_names_in_", np.arange(model.n_features_in_))
        told = ", ".join(repr(names[number]) for number in strings)
        raise Unconvertible(
            f"categorical feature {told} has values that are no numbers; put an OrdinalEncoder in front of "
            f"this {type(model).__name__}, in a pipeline, and tell it categorical_features by number"
        )
    places = np.concatenate([front, np.flatnonzero(~categorical)])
    return places, [values.astype(np.float64) for values in known]


def _tree(
    predictor: Any,
    places: NDArray[np.int64],
    categories: list[NDArray[np.float64]],
    questions: Questions,
    sign: float,
) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    feature = places[np.where(leaf, 0, nodes["feature_idx"])]
    threshold = nodes["num_threshold"].copy()
    for number in np.flatnonzero(nodes["is_categorical"].astype(np.bool_) & ~leaf):
        node = nodes[number]
        known = categories[node["feature_idx"]]
        question = _question(int(feature[number]), known, predictor.raw_left_cat_bitsets, node)
        feature[number], threshold[number] = questions.column(question), HALF
    return Tree(
        feature=feature,
        threshold=threshold,
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        values=sign * nodes["value"][:, None],
        cover=nodes["count"].astype(np.float64),
    )


def _question(feature: int, known: NDArray[np.float64], sets: NDArray[np.uint32], node: Any) -> Question:
    """Known values go where the set says, whatever else where missing values go."""
    words = sets[node["bitset_idx"]]
    pieces = []
    for code, value in enumerate(known[~np.isnan(known)].tolist()):
        left = words[code // 32] >> np.uint32(code % 32) & 1
        pieces.append(Piece(float(np.nextafter(value, -np.inf)), value, not left))
    missing = not node["missing_go_to_left"]
    return ask(feature, pieces, missing, missing)


register(HistGradientBoostingClassifier, classifier, bound)
register(HistGradientBoostingRegressor, regressor, regressor_bound)
