"""XGBoost: boosted trees and forests of them, with dropout (dart) or linear, up to the best iteration.

onnxmltools' own converters leave out objectives, dropout and missing values other than NaN. These do what the
library does: round the row to float32, look for the missing value among the rounded numbers, add up float32
margins in the order of the trees, starting from the base score, and follow the objective. The library takes
``exp`` in float32, where the C library gives nearly always the nearest number: that of float64, rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from convert.errors import Unconvertible
from convert.graphs.ensemble import BELOW, Ensemble, Tree
from convert.graphs.families.booster import LEFT, MISSING, RIGHT, Membership, Read, Singles, read
from convert.graphs.registration import SINGLE, register
from convert.graphs.sums import left_to_right
from convert.graphs.writer import BOOL, FLOAT, Classified, Tensor, Writer
from registry.manifest import Bound

CLASSIFIERS = (XGBClassifier, XGBRFClassifier)
REGRESSORS = (XGBRegressor, XGBRFRegressor)
SCIPY = Bound(ulp=16, absolute=1.2e-7)
"""Of probabilities by scipy in float32: numpy's ``exp`` is good to 3 ulp there, and sums are rounded."""


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """Labels and what ``predict_proba`` gives, which with ``binary:logitraw`` are no probabilities."""
    known = _known(model)
    _check_classes(known, len(model.classes_))
    if known.objective == "multi:softprob":
        probabilities = _softmax(w, _margins(w, model, known, x), len(model.classes_))
        return Classified(w.largest(probabilities), probabilities)
    if known.objective == "multi:softmax":
        margins = _margins(w, model, known, x)
        return Classified(w.largest(margins), _smooth(w, margins))
    value = _value(w, model, known, x)
    # One node for (1 - value, value): each is one product with a one, and one sum.
    sign, offset = np.array([[-1, 1]], np.float32), np.array([1, 0], np.float32)
    both = w.op("Gemm", value, w.constant(sign, "sign"), w.constant(offset, "offset"))
    return Classified(w.largest(both), both)  # value > 1 - value just where value > 0.5, rounding included


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """What ``predict`` gives."""
    known = _known(model)
    if known.objective.startswith("multi:"):
        raise Unconvertible(f"{known.objective} in a {type(model).__name__}; train an XGBClassifier with it")
    return _value(w, model, known, x)


def _known(model: Any) -> Read:
    if callable(model.objective):
        raise Unconvertible(
            "a custom objective is not part of the model; train with one of xgboost's own, or save the model "
            "as JSON and load it again if its answers are right then"
        )
    known = read(model)
    if known.objective not in VALUES and not known.objective.startswith("multi:soft"):
        raise Unconvertible(
            f"there is no exact graph for the xgboost objective {known.objective!r}; known are "
            f"multi:softprob, multi:softmax, {', '.join(VALUES)}"
        )
    return known


def _check_classes(known: Read, classes: int) -> None:
    """Refuse what the library itself answers with something else than a label and a number for each class."""
    if known.objective == "multi:softprob" and classes == 2:
        raise Unconvertible(
            "with multi:softprob and two classes xgboost predicts a matrix, not labels; "
            "train with binary:logistic"
        )
    answers = known.targets if known.objective.startswith("multi:") else 2
    if classes != answers:
        raise Unconvertible(
            f"it was fitted on {classes} classes and answers with {answers} probabilities; "
            "let it find out the number of classes, two or more, for itself"
        )


def _value(w: Writer, model: Any, known: Read, x: Tensor) -> Tensor:
    """The one number of an objective that has one, ``(n, 1)``."""
    logistic = VALUES[known.objective] is _logistic
    margins = _margins(w, model, known.negated() if logistic else known, x)
    return VALUES[known.objective](w, margins)


def _margins(w: Writer, model: Any, known: Read, x: Tensor) -> Tensor:
    """``(n, targets) float32``."""
    x = _with_nan(w, w.single(x), model.missing)
    if known.weights is not None:
        return _linear(w, known.weights, known.base, x)
    if known.memberships:
        x = w.concat(x, _memberships(w, known.memberships, x))
    started: set[int] = set()
    ensemble = Ensemble(known.targets, np.float32)
    for target, tree in known.trees:
        if target not in started:  # the first sum is taken here, which saves a tree
            tree = replace(tree, values=tree.values + known.base[target])
        started.add(target)
        ensemble.add(tree, target)
    for target in set(range(known.targets)) - started:
        ensemble.constant(target, float(known.base[target]))
    return w.ensemble(x, ensemble)


def _with_nan(w: Writer, x: Tensor, missing: float) -> Tensor:
    """NaN for the number that was declared to mean a missing one, compared as float32."""
    if math.isnan(missing):
        return x
    same = w.op("Equal", x, w.constant(np.float32(missing), "missing"), dtype=BOOL)
    return w.op("Where", same, w.constant(np.float32(np.nan), "nan"), x, dtype=FLOAT)


def _memberships(w: Writer, memberships: tuple[Membership, ...], x: Tensor) -> Tensor:
    """One column for each: ``LEFT``, ``RIGHT`` or ``MISSING``."""
    ensemble = Ensemble(len(memberships), np.float32)
    for target, membership in enumerate(memberships):
        ensemble.add(_stairs(membership), target)
    return w.ensemble(x, ensemble)


def _stairs(membership: Membership) -> Tree:
    """A tree that walks up the edges of the set.

    A code counts as its whole part, and below zero is in no set: ``c <= x < c + 1`` for any c of the set.
    The walk starts at minus infinity, below which nothing is but what is missing.
    """
    codes = set(membership.codes)
    edges = sorted(codes ^ {code + 1 for code in codes})
    threshold = np.array([-np.inf, *edges], np.float32)
    steps = len(threshold)
    # In turn: a step, the leaf to its left, the next step …, and at last the leaf to the right of them all.
    nodes = np.arange(2 * steps + 1)
    split = (nodes % 2 == 0) & (nodes < 2 * steps)
    values = np.full((len(nodes), 1), LEFT, np.float32)
    values[1] = MISSING
    values[5::4] = RIGHT
    return Tree(
        feature=np.full(len(nodes), membership.feature, np.int64),
        threshold=np.append(np.repeat(threshold, 2), np.float32(0)),
        left=np.where(split, nodes + 1, -1),
        right=np.where(split, nodes + 2, -1),
        missing_left=np.ones(len(nodes), np.bool_),
        values=values,
        mode=BELOW,
    )


def _linear(w: Writer, weights: Singles, base: Singles, x: Tensor) -> Tensor:
    """Bias and base, and then one product after the other; what is missing adds nothing."""
    zero, one = w.constant(np.float32(0), "nothing"), w.constant(np.float32(1), "one")
    x = w.op("Where", w.op("IsNaN", x, dtype=BOOL), zero, x, dtype=FLOAT)
    x = w.op("Pad", x, w.constant(np.array([0, 1, 0, 0], np.int64), "before"), one)
    axis, last = w.constant(np.int64(1), "columns"), [len(weights) - 1]
    sums = []
    for target, start in enumerate(base):
        factors = np.concatenate([weights[-1:, target] + start, weights[:-1, target]])
        products = w.op("Mul", x, w.constant(factors, "weights"))
        sums.append(w.columns(w.op("CumSum", products, axis), last))
    return w.concat(*sums)


def _identity(w: Writer, margin: Tensor) -> Tensor:
    return margin


def _exp(w: Writer, x: Tensor) -> Tensor:
    """``expf``: the power is a float64, however narrow its exponent, and one rounding makes it a float32."""
    return w.single(w.op("Pow", w.constant(np.float64(np.e), "e"), x))


def _logistic(w: Writer, negated: Tensor) -> Tensor:
    """``1 / (1 + exp(-margin))``; of the negated margin.

    The library takes the exponential of 88.7 at most. Where that makes a difference its answer is below
    1e-38, and this one's is 0.
    """
    one = w.constant(np.float32(1), "one")
    return w.op("Div", one, w.op("Add", _exp(w, negated), one))


def _hinge(w: Writer, margin: Tensor) -> Tensor:
    return w.single(w.op("Greater", margin, w.constant(np.float32(0), "zero"), dtype=BOOL))


def _softmax(w: Writer, margins: Tensor, classes: int) -> Tensor:
    """As the library does it: ``exp`` in float32, their sum in float64, then rounded.

    Every step counts: where two margins are neighbours, each of these roundings decides whether two
    probabilities are equal, and so the label. An operator for all of it would round less.
    """
    exps = _exp(w, w.op("Sub", margins, w.reduce("ReduceMax", margins)))
    total = w.single(left_to_right(w, w.double(exps), classes))
    return w.op("Div", exps, total)


def _smooth(w: Writer, margins: Tensor) -> Tensor:
    """As accurately as float32 can say it. With multi:softmax the label is that of the largest margin, and
    the probabilities are afterwards made by scipy, whose last bits depend on the processor."""
    return w.single(w.op("Softmax", w.double(margins), axis=1))


def bound(model: Any) -> Bound:
    """Of a classifier: scipy's float32 softmax is further off than xgboost's own."""
    return SCIPY if model.objective == "multi:softmax" else SINGLE


VALUES: dict[str, Callable[[Writer, Tensor], Tensor]] = {
    "binary:logistic": _logistic,
    "binary:logitraw": _identity,
    "binary:hinge": _hinge,
    "reg:squarederror": _identity,
    "reg:squaredlogerror": _identity,
    "reg:logistic": _logistic,
    "reg:pseudohubererror": _identity,
    "reg:absoluteerror": _identity,
    "reg:quantileerror": _identity,
    "count:poisson": _exp,
    "reg:gamma": _exp,
    "reg:tweedie": _exp,
}
"""What becomes of the margin, by objective; of the negated margin, with ``_logistic``."""

for kind in CLASSIFIERS:
    register(kind, classifier, bound, FLOAT)
for kind in REGRESSORS:
    register(kind, regressor, SINGLE, FLOAT)
