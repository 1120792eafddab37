"""LightGBM: boosted trees, with dropout (dart), one-sided sampling (goss) and random forests (rf).

As the library does: compare in float64, take numbers next to zero for zero, add the leaves of one tree after
the other, and follow the objective. Whole parts of categories are in the set of the left branch, or not; each
set is a question (``convert.graphs.questions``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor

from convert.errors import Unconvertible
from convert.graphs.ensemble import Ensemble
from convert.graphs.families.boosting import binary, bound, exponential, softmax
from convert.graphs.families.leaftext import ZERO, Written, grow, read
from convert.graphs.families.links import logistic
from convert.graphs.questions import Questions
from convert.graphs.registration import DOUBLED, EXACT, register
from convert.graphs.writer import BOOL, Classified, Tensor, Writer
from convert.sources.leafmodel import LeafClassifier, LeafRegressor, from_text
from registry.manifest import Bound

__all__ = ("CLASSIFIERS", "REGRESSORS", "from_text")

CLASSIFIERS = (LGBMClassifier, LeafClassifier)
REGRESSORS = (LGBMRegressor, LeafRegressor)
LOGISTIC = ("binary", "cross_entropy")
MULTICLASS = ("multiclass", "multiclassova")


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """The class of the largest probability, as the library tells it."""
    written = _written(model, (*LOGISTIC, *MULTICLASS))
    classes = 2 if written.objective in LOGISTIC else written.classes
    if len(model.classes_) != classes:
        raise Unconvertible(
            f"this {type(model).__name__} knows {len(model.classes_)} classes, and its objective "
            f"{written.objective} answers with {classes} probabilities; train it on two or more classes, "
            "with objective binary for two"
        )
    if written.objective == "multiclass":
        probabilities = softmax(w, _sums(w, written, x), classes)
        return Classified(w.largest(probabilities), probabilities)
    negated = _scaled(w, _sums(w, written, x, -1.0), written)
    if written.objective == "multiclassova":
        probabilities = logistic(w, negated)
        return Classified(w.largest(probabilities), probabilities)
    return binary(w, negated, -_least())


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The sum, led through the inverse of the objective's link."""
    written = _written(model, (*LINKS, *LOGISTIC))
    if written.sums > 1:
        raise Unconvertible(f"{written.objective} gives {written.sums} values a row; only one can be served")
    if written.objective in LOGISTIC:
        return logistic(w, _scaled(w, _sums(w, written, x, -1.0), written))
    raw = _sums(w, written, x)
    return _square(w, raw) if "sqrt" in written.options else LINKS[written.objective](w, raw)


def regressor_bound(model: Any) -> Bound:
    """Exact but for ``exp``."""
    return EXACT if LINKS.get(read(_text(model)).objective) is _identity else DOUBLED


def _text(model: Any) -> str:
    """What the model predicts with, up to its best iteration."""
    booster = model.booster_
    best: int = booster.best_iteration
    text: str = booster.model_to_string(num_iteration=best if best > 0 else -1, start_iteration=0)
    return text


def _written(model: Any, objectives: tuple[str, ...]) -> Written:
    kind = type(model).__name__
    if model.get_params().get("pred_early_stop"):
        raise Unconvertible(f"this {kind} stops adding up early; set its parameter pred_early_stop to False")
    written = read(_text(model))
    if not written.objective or callable(getattr(model, "objective", None)):
        raise Unconvertible(
            f"the custom objective of this {kind} is not part of the model, nor is what its sums mean; train "
            "with one of LightGBM's own"
        )
    if written.objective not in objectives:
        raise Unconvertible(
            f"there is no exact graph for a {kind} with the LightGBM objective {written.objective!r}; "
            f"known are {', '.join(objectives)}"
        )
    if written.pandas_categories:
        raise Unconvertible(
            "there were columns of pandas categories in training; fit on their codes, as numbers, and name "
            "the features in categorical_feature"
        )
    return written


def _sums(w: Writer, written: Written, x: Tensor, sign: float = 1.0) -> Tensor:
    """``sign`` times the sums, or their average, ``(n, sums)``."""
    questions = Questions(len(written.features))
    grown = grow(written, questions, sign)
    ensemble = Ensemble(written.sums)
    for number, tree in enumerate(grown.trees):
        ensemble.add(tree, number % written.sums)
    if not grown.trees:
        raise Unconvertible("this LightGBM model has no trees; train it for one round at least")
    x = w.double(x)
    if grown.zero_missing.any():
        limit = w.constant(np.where(grown.zero_missing, ZERO, -1.0)[None, :], "zero")
        zero = w.op("LessOrEqual", w.op("Abs", x), limit, dtype=BOOL)
        x = w.op("Where", zero, w.constant(np.float64(np.nan), "missing"), x, dtype=x.dtype)
    total = w.ensemble(questions.widened(w, x), ensemble)
    if not written.averaged:
        return total
    return w.op("Div", total, w.constant(np.float64(len(grown.trees) // written.sums), "rounds"))


def _sigmoid(written: Written) -> float:
    return float(written.options.get("sigmoid", 1))


def _scaled(w: Writer, x: Tensor, written: Written) -> Tensor:
    """Sums times the objective's parameter ``sigmoid``."""
    factor = _sigmoid(written)
    return x if factor == 1 else w.op("Mul", x, w.constant(np.float64(factor), "sigmoid"))


def _least() -> float:
    """The smallest x with ``1 / (1 + exp(-x))`` above one half, where the library's label changes: smaller
    sums round to one half, and of equals the first class is taken."""
    low, high = (struct.unpack("<q", struct.pack("<d", bound))[0] for bound in (0.0, 1.0))
    while high - low > 1:
        middle = (low + high) // 2
        x: float = struct.unpack("<d", struct.pack("<q", middle))[0]
        probability = 1 / (1 + math.exp(-x))
        low, high = (low, middle) if probability > 1 - probability else (middle, high)
    least: float = struct.unpack("<d", struct.pack("<q", high))[0]
    return least


def _identity(w: Writer, raw: Tensor) -> Tensor:
    return raw


def _square(w: Writer, raw: Tensor) -> Tensor:
    """With the sign of the sum: of a model that was trained on roots."""
    return w.op("Mul", w.op("Abs", raw), raw)


LINKS: dict[str, Callable[[Writer, Tensor], Tensor]] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), _identity),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), exponential),
}
"""What becomes of the sum, by the objective of a regression."""

for kind in CLASSIFIERS:
    register(kind, classifier, bound)
for kind in REGRESSORS:
    register(kind, regressor, regressor_bound)
