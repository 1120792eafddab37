"""scikit-learn's GradientBoosting.

As the trainer does: round the row to float32, compare in float64, start from what ``init`` answers, add the
learning rate times the leaf of one tree after the other in float64, and follow the loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from convert.errors import Unconvertible
from convert.graphs.ensemble import Ensemble
from convert.graphs.families.boosting import binary, bound, softmax
from convert.graphs.families.trees import read_tree
from convert.graphs.registration import EXACT, register
from convert.graphs.writer import Classified, Tensor, Writer

CLASSIFIERS = (GradientBoostingClassifier,)
REGRESSORS = (GradientBoostingRegressor,)


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """The second of two classes where the sum is at least zero, or the class of the largest sum."""
    if model.n_trees_per_iteration_ > 1:
        raw = _sums(w, model, x)
        return Classified(w.largest(raw), softmax(w, raw, len(model.classes_), in_lanes=True), raw)
    # The exponential loss has a link of its own, expit(2 x); doubling costs no rounding.
    doubled = model.loss == "exponential"
    negated = _sums(w, model, x, -2.0 if doubled else -1.0)
    return binary(w, negated, 0.0, doubled=doubled)


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The sum; all losses of regressions have the identity for a link."""
    return _sums(w, model, x)


def _sums(w: Writer, model: Any, x: Tensor, factor: float = 1.0) -> Tensor:
    """``factor``, a power of two or its negative, times the raw predictions: ``(n, sums)``."""
    start = _start(model)
    ensemble = Ensemble(len(start))
    for target, value in enumerate(start):
        ensemble.constant(target, factor * value)
    for stage in model.estimators_:
        for target, tree in enumerate(stage):
            ensemble.add(read_tree(tree.tree_, factor * model.learning_rate), target)
    return w.ensemble(w.single(x), ensemble)


def _start(model: Any) -> NDArray[np.float64]:
    """What every row's sums start from. The trainer is asked, for its versions keep different distances from
    probabilities of 0 and 1."""
    first = model.init_
    constant = isinstance(first, str) or (
        type(first) in (DummyClassifier, DummyRegressor) and first.strategy != "stratified"
    )
    if not constant:
        raise Unconvertible(
            f"this {type(model).__name__} starts from a model of its own "
            f"(init={type(first).__name__}); train with init='zero' or the default, whose start is a constant"
        )
    start: NDArray[np.float64] = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    return start


for kind in CLASSIFIERS:
    register(kind, classifier, bound)
for kind in REGRESSORS:
    register(kind, regressor, EXACT)
