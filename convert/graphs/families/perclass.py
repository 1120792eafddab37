"""Several classes as many questions with two answers: one class against the rest, or one against one."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

from convert.errors import Unconvertible
from convert.graphs.families.committee import scores_of
from convert.graphs.families.habits import equals_go_to_the_last, nothing_is_divided
from convert.graphs.frame import Columns
from convert.graphs.registration import DOUBLED, EXACT, build_inside, place, register
from convert.graphs.sums import LANES, left_to_right
from convert.graphs.writer import BOOL, DOUBLE, INT64, Classified, Tensor, Writer
from registry.manifest import Bound


def one_vs_rest(w: Writer, model: Any, x: Columns) -> Classified:
    """The class whose own model is surest."""
    if model.multilabel_:
        raise Unconvertible("several labels per row; fit one model per label")
    columns, scores = [], []
    for number, part in enumerate(model.estimators_, 1):
        with place(f"model {number} of {len(model.estimators_)}"):
            built, score = _answer(w, part, x)
            scores.append(score)
            columns.append(w.columns(w.double(built.probabilities), [1]))
    if len(columns) == 1:
        limit = w.constant(
            np.float64(0 if hasattr(model.estimators_[0], "decision_function") else 0.5), "threshold"
        )
        label = w.flat(w.cast(w.op("Greater", scores[0], limit, dtype=BOOL), INT64))
        pair = w.concat(w.op("Sub", w.constant(np.float64(1), "one"), columns[0]), columns[0])
        return Classified(label, _shared(w, pair, 2))
    decision = w.concat(*scores)
    label = w.largest(decision, last=equals_go_to_the_last())
    if not hasattr(model, "predict_proba"):
        return Classified(label, decision)
    return Classified(label, _shared(w, w.concat(*columns), len(columns)))


def _shared(w: Writer, x: Tensor, classes: int) -> Tensor:
    """Divided by their sum, unless that is zero; version 1.6 divides all the same, into NaN."""
    total = left_to_right(w, x, classes)
    if nothing_is_divided():
        return w.op("Div", x, total)
    none = w.op("Equal", total, w.constant(np.float64(0), "zero"), dtype=BOOL)
    return w.op("Where", none, x, w.op("Div", x, total), dtype=DOUBLE)


def one_vs_one(w: Writer, model: Any, x: Columns) -> Classified:
    """The class that wins most pairs; confidence, less than half a win in all, decides between equals."""
    classes = len(model.classes_)
    pairs = list(combinations(range(classes), 2))
    wins, sure = [], []
    for number, part in enumerate(model.estimators_):
        with place(f"model {number + 1} of {len(model.estimators_)}"):
            built, confidence = _answer(w, part, x)
            wins.append(w.double(w.op("Unsqueeze", built.label, w.constant(np.array([1]), "axis"))))
            sure.append(confidence)
    won, lost, against = (np.zeros((len(pairs), classes)) for _ in range(3))
    for number, (one, other) in enumerate(pairs):
        won[number, other], lost[number, one] = 1, 1
        against[number, [one, other]] = -1, 1
    second = w.concat(*wins)
    first = w.op("Sub", w.constant(np.float64(1), "one"), second)
    votes = w.op(
        "Add",
        w.op("MatMul", second, w.constant(won, "second")),
        w.op("MatMul", first, w.constant(lost, "first")),
    )
    total = w.op("MatMul", w.concat(*sure), w.constant(against, "against"))
    size = w.op("Add", w.op("Abs", total), w.constant(np.float64(1), "one"))
    share = w.op("Div", total, w.op("Mul", w.constant(np.float64(3), "three"), size))
    decision = w.op("Add", votes, share)
    if classes > 2:
        return Classified(w.largest(decision), decision)
    limit = w.constant(
        np.float64(0 if hasattr(model.estimators_[0], "decision_function") else 0.5), "threshold"
    )
    label = w.cast(w.op("Greater", w.columns(decision, [1]), limit, dtype=BOOL), INT64)
    return Classified(w.flat(label), decision)


def _answer(w: Writer, part: Any, x: Columns) -> tuple[Classified, Tensor]:
    """A model's answer, and how sure it is of its second class, ``(n, 1)``."""
    built = build_inside(w, part, x)
    if not isinstance(built, Classified):
        raise Unconvertible(f"{type(part).__name__} is no classifier")
    decides = hasattr(part, "decision_function")
    scores = scores_of(part, built) if decides else built.probabilities
    return built, w.columns(w.double(scores), [1])


def _rest_bound(model: Any) -> Bound:
    """The trainer adds up eight classes and more of a row alone in another order than of the same row among
    others."""
    return EXACT if len(model.classes_) < LANES else DOUBLED


register(OneVsRestClassifier, one_vs_rest, _rest_bound, mixed=True)
register(OneVsOneClassifier, one_vs_one, EXACT, mixed=True)
