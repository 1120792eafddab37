"""Several estimators that answer together: voting, bagging, stacking. They add up in the trainer's order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from convert.errors import Unconvertible
from convert.graphs.ensemble import Ensemble, Tree
from convert.graphs.families import trees
from convert.graphs.frame import Columns, beside, numbers, select
from convert.graphs.registration import EXACT, build_inside, dtype_of, place, register
from convert.graphs.sums import LANES, chain
from convert.graphs.writer import BOOL, DOUBLE, FLOAT, Classified, Tensor, Writer
from registry.manifest import Bound

CLASSIFYING_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
REGRESSION_TREES = (DecisionTreeRegressor, ExtraTreeRegressor)


def one_hot(w: Writer, label: Tensor, classes: int) -> Tensor:
    """``(n,)`` class numbers to ``(n, classes)`` of 1.0 and 0.0."""
    column = upright(w, label)
    known = w.constant(np.arange(classes), "classes")
    return w.double(w.op("Equal", column, known, dtype=BOOL))


def upright(w: Writer, label: Tensor) -> Tensor:
    """``(n,)`` to ``(n, 1)``."""
    return w.op("Unsqueeze", label, w.constant(np.array([1], np.int64), "axis"))


def voting_classifier(w: Writer, model: Any, x: Columns) -> Classified:
    """Mean of the probabilities, or the class with most votes."""
    members = [_classifier(w, name, part, x) for name, part in _named(model)]
    weights = _weights(model)
    if model.voting == "soft":
        mean = _average(w, [member.probabilities for member in members], weights)
        return Classified(w.largest(mean), mean)
    votes = [one_hot(w, member.label, len(model.classes_)) for member in members]
    if weights is not None:
        votes = [
            w.op("Mul", vote, w.constant(np.float64(one), "weight"))
            for vote, one in zip(votes, weights, strict=True)
        ]
    total = chain(w, votes)
    return Classified(w.largest(total), total)


def voting_regressor(w: Writer, model: Any, x: Columns) -> Tensor:
    """Mean of the values."""
    return _average(w, [_regressor(w, name, part, x) for name, part in _named(model)], _weights(model))


def _average(w: Writer, tensors: list[Tensor], weights: NDArray[Any] | None) -> Tensor:
    """``numpy.average`` over the members."""
    if weights is None:
        if {tensor.dtype for tensor in tensors} != {FLOAT}:
            tensors = [w.double(tensor) for tensor in tensors]
        total = chain(w, tensors)
        one = np.float32 if total.dtype == FLOAT else np.float64
        return w.op("Div", total, w.constant(one(len(tensors)), "members"))
    weighted = [
        w.op("Mul", w.double(tensor), w.constant(np.float64(one), "weight"))
        for tensor, one in zip(tensors, weights, strict=True)
    ]
    return w.op("Div", chain(w, weighted), w.constant(np.float64(weights.sum(dtype=np.float64)), "weights"))


def _named(model: Any) -> list[tuple[str, Any]]:
    names = [name for name, part in model.estimators if not _dropped(part)]
    return list(zip(names, model.estimators_, strict=True))


def _weights(model: Any) -> NDArray[Any] | None:
    if model.weights is None:
        return None
    pairs = zip(model.estimators, model.weights, strict=True)
    return np.array([weight for (_, part), weight in pairs if not _dropped(part)])


def _dropped(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def _classifier(w: Writer, name: str, part: Any, x: Columns) -> Classified:
    with place(f"estimator {name!r}"):
        built = build_inside(w, part, x)
        if not isinstance(built, Classified):
            raise Unconvertible(f"{type(part).__name__} is no classifier")
        return built


def _regressor(w: Writer, name: str, part: Any, x: Columns) -> Tensor:
    with place(f"estimator {name!r}"):
        built = build_inside(w, part, x)
        if isinstance(built, Classified):
            raise Unconvertible(f"{type(part).__name__} is no regressor")
        return built


def bagging_classifier(w: Writer, model: Any, x: Columns) -> Classified:
    """Mean of the members' probabilities, or of their votes where they have none."""
    classes = len(model.classes_)
    if all(type(part) in CLASSIFYING_TREES for part in model.estimators_):
        ensemble = Ensemble(classes)
        for part, features in zip(model.estimators_, model.estimators_features_, strict=True):
            ensemble.add(_moved(part, features, classes))
        total = w.ensemble(w.single(numbers(w, x)), ensemble)
    else:
        total = chain(w, [_share(w, model, number, x, classes) for number in range(len(model.estimators_))])
    mean = w.op("Div", total, w.constant(np.float64(len(model.estimators_)), "members"))
    return Classified(w.largest(mean), mean)


def bagging_regressor(w: Writer, model: Any, x: Columns) -> Tensor:
    """Mean of the members' values."""
    count = len(model.estimators_)
    if all(type(part) in REGRESSION_TREES for part in model.estimators_):
        ensemble = Ensemble(1)
        for part, features in zip(model.estimators_, model.estimators_features_, strict=True):
            ensemble.add(_moved(part, features, None))
        total = w.ensemble(w.single(numbers(w, x)), ensemble)
    else:
        parts = [
            _regressor(w, str(number), model.estimators_[number], _subset(w, model, number, x))
            for number in range(count)
        ]
        single = {part.dtype for part in parts} == {FLOAT}
        total = chain(w, parts if single else [w.double(part) for part in parts])
    one = np.float32 if total.dtype == FLOAT else np.float64
    return w.op("Div", total, w.constant(one(count), "members"))


def _moved(part: Any, features: Any, classes: int | None) -> Tree:
    """A member's tree, reading its features and voting for its classes where these stand in the whole."""
    tree = trees.read_tree(part.tree_)
    moved = np.asarray(features, np.int64)[np.maximum(tree.feature, 0)]
    values = tree.values
    if classes is not None and len(part.classes_) != classes:
        values = np.zeros((len(tree.values), classes))
        values[:, part.classes_] = tree.values
    return replace(tree, feature=np.where(tree.left < 0, 0, moved), values=values)


def _subset(w: Writer, model: Any, number: int, x: Columns) -> Columns:
    features = np.asarray(model.estimators_features_[number], np.int64).tolist()
    return select(w, x, features, model.n_features_in_)


def _share(w: Writer, model: Any, number: int, x: Columns, classes: int) -> Tensor:
    part = model.estimators_[number]
    built = _classifier(w, str(number), part, _subset(w, model, number, x))
    own = len(part.classes_)
    given = w.double(built.probabilities) if hasattr(part, "predict_proba") else one_hot(w, built.label, own)
    if own == classes:
        return given
    return _moved_columns(w, given, part.classes_, classes)


def _moved_columns(w: Writer, given: Tensor, places: Any, classes: int) -> Tensor:
    """Columns at their places among ``classes``, zeros at the others.

    No product: onnxruntime 1.26 to 1.31 draws a division in front of it into it, as a factor in float32.
    """
    behind = w.constant(np.array([0, 0, 0, 1], np.int64), "behind")
    source = np.full(classes, len(places))  # the column of zeros
    source[places] = np.arange(len(places))
    return w.columns(w.op("Pad", given, behind), source)


def stacking_classifier(w: Writer, model: Any, x: Columns) -> Classified:
    """The last estimator reads what the others answer."""
    built = _stacked(w, model, x, len(model.classes_))
    assert isinstance(built, Classified)
    return built


def stacking_regressor(w: Writer, model: Any, x: Columns) -> Tensor:
    """The same for values."""
    built = _stacked(w, model, x, 0)
    assert isinstance(built, Tensor)
    return built


def _stacked(w: Writer, model: Any, x: Columns, classes: int) -> Classified | Tensor:
    members = zip(_named(model), model.stack_method_, strict=True)
    answers = [_answer(w, name, part, method, x, classes) for (name, part), method in members]
    if model.passthrough:
        answers.append(numbers(w, x))
    with place("the final estimator"):
        return build_inside(w, model.final_estimator_, beside(w, answers))


def _answer(w: Writer, name: str, part: Any, method: str, x: Columns, classes: int) -> Tensor:
    """What one member hands to the final estimator; of two probabilities the second."""
    if not classes:
        return _regressor(w, name, part, x)
    built = _classifier(w, name, part, x)
    if method == "predict":
        known = np.asarray(part.classes_)
        if known.dtype.kind not in "biuf":
            raise Unconvertible(f"estimator {name!r} hands the names of classes to the final estimator")
        label = upright(w, built.label)
        return w.op("Gather", w.constant(known.astype(np.float64), "labels"), label, axis=0)
    scores = built.probabilities if method == "predict_proba" else scores_of(part, built)
    return w.columns(scores, [1]) if len(part.classes_) == 2 else scores


def scores_of(part: Any, built: Classified) -> Tensor:
    """``decision_function``, ``(n, classes)``; of two classes the second column is its only number.

    Raises:
        Unconvertible: its graph does not give it.
    """
    if built.scores is not None:
        return built.scores
    if hasattr(part, "predict_proba"):
        raise Unconvertible(f"there is no graph for the decision_function of {type(part).__name__}")
    return built.probabilities


def _average_dtype(model: Any) -> int:
    """float32 where all members answer in float32 and nobody is weighted."""
    single = model.weights is None and all(dtype_of(part) == FLOAT for part in model.estimators_)
    return FLOAT if single and getattr(model, "voting", "soft") == "soft" else DOUBLE


def _bagged_dtype(model: Any) -> int:
    return FLOAT if all(dtype_of(part) == FLOAT for part in model.estimators_) else DOUBLE


def _values_bound(model: Any) -> Bound:
    """numpy adds eight values and more of a row that stands alone in an order of its own."""
    return EXACT if len(model.estimators_) < LANES else Bound(ulp=4, absolute=1e-15)


def _final_dtype(model: Any) -> int:
    with place("the final estimator"):
        return dtype_of(model.final_estimator_)


register(VotingClassifier, voting_classifier, EXACT, dtype=_average_dtype, mixed=True)
register(VotingRegressor, voting_regressor, _values_bound, dtype=_average_dtype, mixed=True)
register(BaggingClassifier, bagging_classifier, EXACT, mixed=True)
register(BaggingRegressor, bagging_regressor, EXACT, dtype=_bagged_dtype, mixed=True)
register(StackingClassifier, stacking_classifier, EXACT, dtype=_final_dtype, mixed=True)
register(StackingRegressor, stacking_regressor, EXACT, dtype=_final_dtype, mixed=True)
