"""Estimators that hand the question on to another: searches, frozen models, thresholds, transformed targets.
And those that have no place here, as they answer several questions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  or the two halving searches are not there
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from convert.errors import Unconvertible
from convert.graphs.families import derived
from convert.graphs.families.committee import scores_of
from convert.graphs.frame import Columns
from convert.graphs.registration import (
    BUILDERS,
    EXACT,
    build_inside,
    compose_inside,
    dtype_of,
    place,
    register,
)
from convert.graphs.writer import BOOL, DOUBLE, FLOAT, INT64, Classified, Tensor, Writer
from registry.manifest import Bound

SEARCHES = (GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV)
SEVERAL = (ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain)


def search(w: Writer, model: Any, x: Columns) -> Classified | Columns:
    """The best estimator that was found."""
    return compose_inside(w, model.best_estimator_, x)


def frozen(w: Writer, model: Any, x: Columns) -> Classified | Columns:
    """What was frozen."""
    return compose_inside(w, model.estimator, x)


def threshold(w: Writer, model: Any, x: Columns) -> Classified:
    """The first class below the threshold, the second from it on; probabilities as they were."""
    inner = getattr(model, "estimator_", model.estimator)
    built = build_inside(w, inner, x)
    assert isinstance(built, Classified)
    probable = model.response_method == "predict_proba" or (
        model.response_method == "auto" and hasattr(inner, "predict_proba")
    )
    limit = getattr(model, "best_threshold_", getattr(model, "threshold", "auto"))
    if limit == "auto":
        limit = 0.5 if probable else 0.0
    positive = 1 if (asked := _positive(model)) is None else list(model.classes_).index(asked)
    scores = built.probabilities if probable else scores_of(inner, built)
    column = w.double(w.columns(scores, [positive]))
    reached = w.op("GreaterOrEqual", column, w.constant(np.float64(limit), "threshold"), dtype=BOOL)
    label = w.flat(w.cast(reached, INT64))
    if positive == 0:
        label = w.op("Sub", w.constant(np.int64(1), "other"), label)
    return Classified(label, built.probabilities, built.scores)


def _positive(model: Any) -> Any:
    if hasattr(model, "_curve_scorer"):
        return model._curve_scorer._get_pos_label()
    return model.pos_label


def transformed_target(w: Writer, model: Any, x: Columns) -> Tensor:
    """The regressor's value, turned back."""
    with place("the regressor"):
        built = build_inside(w, model.regressor_, x)
        assert isinstance(built, Tensor)
    with place("the way back of the transformed target"):
        return _turned_back(w, model.transformer_, built)


def _turned_back(w: Writer, transformer: Any, value: Tensor) -> Tensor:
    kind = type(transformer)
    if kind is FunctionTransformer:
        name = transformer.inverse_func
        made, _ = derived.run(w, name, transformer.inv_kw_args, value, None, 1)
        assert isinstance(made, Tensor)
        return made
    if kind not in INVERSES:
        raise Unconvertible(f"there is no exact graph for the inverse of {kind.__name__}")
    x = w.double(value)
    for operation, operand in INVERSES[kind](transformer):
        if operand is not None:
            x = w.op(operation, x, w.constant(np.float64(operand), "inverse"))
    return x


INVERSES: dict[type, Any] = {
    StandardScaler: lambda t: (
        ("Mul", t.scale_ if t.with_std else None),
        ("Add", t.mean_ if t.with_mean else None),
    ),
    RobustScaler: lambda t: (
        ("Mul", t.scale_ if t.with_scaling else None),
        ("Add", t.center_ if t.with_centering else None),
    ),
    MinMaxScaler: lambda t: (("Sub", t.min_), ("Div", t.scale_)),
    MaxAbsScaler: lambda t: (("Mul", t.scale_),),
}


def _target_bound(model: Any) -> Bound:
    transformer = model.transformer_
    if type(transformer) is not FunctionTransformer or transformer.inverse_func is None:
        return EXACT
    asked = FunctionTransformer(transformer.inverse_func, kw_args=transformer.inv_kw_args)
    asked.n_features_in_ = 1
    return derived.bound_of(asked)


def _target_dtype(model: Any) -> int:
    inner = dtype_of(model.regressor_)
    identity = type(model.transformer_) is FunctionTransformer
    return FLOAT if identity and inner == FLOAT else DOUBLE


def several(w: Writer, model: Any, x: Columns) -> Tensor:
    """Refused."""
    raise Unconvertible(f"{type(model).__name__} has several outputs; fit one model per output")


def _handed(attribute: str) -> Any:
    return lambda model: dtype_of(getattr(model, attribute))


def _width_of(attribute: str) -> Any:
    def width(model: Any) -> int:
        inner = getattr(model, attribute)
        return BUILDERS[type(inner)].width(inner)

    return width


for kind in SEARCHES:
    register(
        kind,
        search,
        EXACT,
        dtype=_handed("best_estimator_"),
        width=_width_of("best_estimator_"),
        mixed=True,
    )
for kind in SEVERAL:
    register(kind, several, EXACT, mixed=True, width=lambda model: 1)
register(FrozenEstimator, frozen, EXACT, dtype=_handed("estimator"), width=_width_of("estimator"), mixed=True)
register(FixedThresholdClassifier, threshold, EXACT, dtype=_handed("estimator_"), mixed=True)
register(TunedThresholdClassifierCV, threshold, EXACT, dtype=_handed("estimator_"), mixed=True)
register(TransformedTargetRegressor, transformed_target, _target_bound, dtype=_target_dtype, mixed=True)
