"""Calibrated probabilities: a curve per class on top of another classifier's scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV

from convert.errors import Unconvertible
from convert.graphs.ensemble import BELOW, Ensemble, Tree
from convert.graphs.families.committee import scores_of
from convert.graphs.families.links import exp, shares
from convert.graphs.frame import Columns
from convert.graphs.registration import EXACT, build_inside, place, register
from convert.graphs.sums import chain, row_sum
from convert.graphs.writer import DOUBLE, INT64, Classified, Tensor, Writer
from registry.manifest import Bound

CURVED = Bound(ulp=8, absolute=4.5e-16)
"""Behind ``exp``."""
STRAIGHT = EXACT
"""Isotonic curves are straight between their points."""


def calibrated(w: Writer, model: Any, x: Columns) -> Classified:
    """Mean over the folds."""
    shares = []
    for number, fold in enumerate(model.calibrated_classifiers_, 1):
        with place(f"calibrated classifier {number} of {len(model.calibrated_classifiers_)}"):
            shares.append(_fold(w, fold, x))
    mean = w.op("Div", chain(w, shares), w.constant(np.float64(len(shares)), "folds"))
    return Classified(w.largest(mean), mean)


def _fold(w: Writer, fold: Any, x: Columns) -> Tensor:
    if fold.method not in CURVES:
        raise Unconvertible(
            f"calibration by {fold.method} looks at all rows of a batch to tell scores from probabilities; "
            "use sigmoid or isotonic"
        )
    classes = len(fold.classes)
    curves = CURVES[fold.method](w, _scores(w, fold.estimator, x), fold.calibrators)
    if classes == 2:
        rest = w.op("Sub", w.constant(np.float64(1), "one"), curves)
        shared = w.concat(rest, curves)
    else:
        shared = shares(w, _placed(w, fold, curves), classes, row_sum)
    return w.op("Min", shared, w.constant(np.float64(1), "one"))


def _scores(w: Writer, estimator: Any, x: Columns) -> Tensor:
    """One column per class, or the one of the second of two classes."""
    built = build_inside(w, estimator, x)
    assert isinstance(built, Classified)
    decides = hasattr(estimator, "decision_function")
    scores = w.double(scores_of(estimator, built) if decides else built.probabilities)
    return w.columns(scores, [1]) if len(estimator.classes_) == 2 else scores


def _placed(w: Writer, fold: Any, curves: Tensor) -> Tensor:
    """Columns of the fold's classes among all classes; zeros for a class that the fold has not seen."""
    where = np.searchsorted(fold.classes, fold.estimator.classes_)
    if len(where) == len(fold.classes):
        return curves
    if len(where) == 2:
        raise Unconvertible("a fold that saw two classes of several; use more rows or fewer folds")
    places = np.zeros((len(where), len(fold.classes)))
    places[np.arange(len(where)), where] = 1
    return w.op("MatMul", curves, w.constant(places, "classes"))


def _sigmoid(w: Writer, scores: Tensor, calibrators: list[Any]) -> Tensor:
    """``1 / (1 + exp(a * score + b))``."""
    slope = np.array([one.a_ for one in calibrators], np.float64)
    offset = np.array([one.b_ for one in calibrators], np.float64)
    turned = w.op("Mul", scores, w.constant(slope, "a"))
    grown = exp(w, w.op("Add", turned, w.constant(offset, "b")))
    one = w.constant(np.float64(1), "one")
    return w.op("Div", one, w.op("Add", one, grown))


def _isotonic(w: Writer, scores: Tensor, calibrators: list[Any]) -> Tensor:
    """Straight lines between points, as ``numpy.interp`` draws them: a tree finds the piece, three tables its
    slope, its left end and the height there."""
    ensemble = Ensemble(len(calibrators))
    tables, start = [], 0
    for target, one in enumerate(calibrators):
        known = np.asarray(one.X_thresholds_, np.float64)
        heights = np.asarray(one.y_thresholds_, np.float64)
        ensemble.add(_staircase(known, target, start), target)
        slopes = np.append(np.diff(heights) / np.diff(known), 0.0)
        tables.append(np.stack([slopes, known, heights]))
        start += len(known)
    low = np.array([one.X_min_ for one in calibrators], np.float64)
    high = np.array([one.X_max_ for one in calibrators], np.float64)
    inside = w.op("Min", w.op("Max", scores, w.constant(low, "low")), w.constant(high, "high"))
    piece = w.cast(w.ensemble(inside, ensemble), INT64)
    slope, left, height = (
        w.op("Gather", w.constant(table, "pieces"), piece, axis=0, dtype=DOUBLE)
        for table in np.concatenate(tables, axis=1)
    )
    return w.op("Add", w.op("Mul", slope, w.op("Sub", inside, left)), height)


def _staircase(known: NDArray[np.float64], feature: int, start: int) -> Tree:
    """A balanced tree that gives ``start`` plus the number of the last point that is not above the score."""
    nodes: list[list[float]] = []

    def grow(low: int, high: int) -> int:
        """Pieces ``low`` to ``high``; a score below the threshold goes left."""
        number = len(nodes)
        nodes.append([0.0, -1, -1, start + low])
        if low < high:
            middle = (low + high + 1) // 2
            nodes[number][0] = known[middle]
            nodes[number][1] = grow(low, middle - 1)
            nodes[number][2] = grow(middle, high)
        return number

    grow(0, len(known) - 1)
    table = np.array(nodes, np.float64)
    return Tree(
        feature=np.full(len(table), feature, np.int64),
        threshold=table[:, 0],
        left=table[:, 1].astype(np.int64),
        right=table[:, 2].astype(np.int64),
        missing_left=np.zeros(len(table), np.bool_),
        values=table[:, 3:],
        mode=BELOW,
    )


CURVES = {"sigmoid": _sigmoid, "isotonic": _isotonic}


def _bound(model: Any) -> Bound:
    return STRAIGHT if model.method == "isotonic" else CURVED


register(CalibratedClassifierCV, calibrated, _bound, mixed=True)
