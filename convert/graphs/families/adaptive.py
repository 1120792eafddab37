"""AdaBoost: weighted votes of classifiers, the weighted median of regressors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor

from convert.errors import Unconvertible
from convert.graphs.ensemble import Ensemble
from convert.graphs.families import trees
from convert.graphs.families.committee import CLASSIFYING_TREES, REGRESSION_TREES, one_hot, upright
from convert.graphs.families.links import softmax
from convert.graphs.frame import beside
from convert.graphs.registration import DOUBLED, EXACT, build_inside, place, register
from convert.graphs.sums import chain, row_sum
from convert.graphs.writer import BOOL, DOUBLE, INT64, Classified, Tensor, Writer


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """Each member adds its weight to one class and takes its share of it from the others."""
    classes = len(model.classes_)
    if classes == 1:
        raise Unconvertible("AdaBoost of one class")
    weights = model.estimator_weights_[: len(model.estimators_)]
    members = list(zip(model.estimators_, weights, strict=True))
    if all(type(part) in CLASSIFYING_TREES for part, _ in members):
        total = _trees(w, model, x, members)
    else:
        total = chain(w, [_vote(w, model, x, part, weight) for part, weight in members])
    mean = w.op("Div", total, w.constant(np.float64(model.estimator_weights_.sum()), "weights"))
    if classes > 2:
        halved = w.op("Div", mean, w.constant(np.float64(classes - 1), "others"))
        return Classified(w.largest(mean), softmax(w, halved, classes, add=row_sum), mean)
    decision = w.op("Sub", w.columns(mean, [1]), w.columns(mean, [0]))
    label = w.cast(w.op("Greater", decision, w.constant(np.float64(0), "zero"), dtype=BOOL), INT64)
    both = w.concat(w.op("Neg", decision), decision)
    halved = w.op("Div", both, w.constant(np.float64(2), "two"))
    return Classified(w.flat(label), softmax(w, halved, 2, add=row_sum), both)


def _trees(w: Writer, model: Any, x: Tensor, members: list[tuple[Any, float]]) -> Tensor:
    """Leaves say what a member adds for the class that it votes for."""
    classes = len(model.classes_)
    ensemble = Ensemble(classes)
    for part, weight in members:
        tree = trees.read_tree(part.tree_)
        chosen = tree.values.argmax(axis=1)  # every member has seen every class
        values = np.full((len(chosen), classes), -1 / (classes - 1) * weight)
        values[np.arange(len(chosen)), chosen] = weight
        ensemble.add(replace(tree, values=values))
    return w.ensemble(w.single(x), ensemble)


def _vote(w: Writer, model: Any, x: Tensor, part: Any, weight: float) -> Tensor:
    classes = len(model.classes_)
    built = build_inside(w, part, x)
    assert isinstance(built, Classified)
    flags = w.cast(one_hot(w, built.label, classes), BOOL)
    yes, no = (
        w.constant(np.float64(weight), "weight"),
        w.constant(np.float64(-1 / (classes - 1) * weight), "rest"),
    )
    return w.op("Where", flags, yes, no, dtype=DOUBLE)


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The value of the member at which half of all weight is reached, going up from the smallest value."""
    values = _values(w, model, x)
    ranked, order = _ranked(w, values, len(model.estimators_))
    weights = np.asarray(model.estimator_weights_, np.float64)
    own = w.op("Gather", w.constant(weights, "weights"), order, axis=0, dtype=DOUBLE)
    reached = w.op("CumSum", own, w.constant(np.int64(1), "axis"))
    whole = w.columns(reached, [len(model.estimators_) - 1])
    half = w.op("Mul", w.constant(np.float64(0.5), "half"), whole)
    enough = w.op("GreaterOrEqual", reached, half, dtype=BOOL)
    first = upright(w, w.largest(w.cast(enough, INT64)))
    return w.op("GatherElements", ranked, first, axis=1)


def _values(w: Writer, model: Any, x: Tensor) -> Tensor:
    """``(n, members)``."""
    if all(type(part) in REGRESSION_TREES for part in model.estimators_):
        ensemble = Ensemble(len(model.estimators_))
        for target, part in enumerate(model.estimators_):
            ensemble.add(trees.read_tree(part.tree_), target)
        return w.ensemble(w.single(x), ensemble)
    parts = []
    for number, part in enumerate(model.estimators_, 1):
        with place(f"estimator {number} of {len(model.estimators_)}"):
            built = build_inside(w, part, x)
            if isinstance(built, Classified):
                raise Unconvertible(f"{type(part).__name__} is no regressor")
            parts.append(w.double(built))
    return beside(w, parts)


def _ranked(w: Writer, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Each row from its smallest value up, and whose value each is. Equal values may come in any order: the
    value at which half the weight is reached is the same."""
    ranked = w.scope.get_unique_variable_name(f"{w.prefix}/ranked")
    order = w.scope.get_unique_variable_name(f"{w.prefix}/order")
    amount = w.constant(np.array([count], np.int64), "members")
    name = w.scope.get_unique_operator_name(f"{w.prefix}/TopK")
    w.container.add_node(
        "TopK",
        [values.name, amount.name],
        [ranked, order],
        op_domain="",
        op_version=11,
        name=name,
        axis=1,
        largest=0,
    )
    return Tensor(ranked, values.dtype), Tensor(order, INT64)


register(AdaBoostClassifier, classifier, DOUBLED)
register(AdaBoostRegressor, regressor, EXACT)
