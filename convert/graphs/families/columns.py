"""Pipelines, column transformers and unions: who gets which columns, in which order.

They compute nothing but the weights of their parts, so they are exact; what their parts are decides the rest.
"""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import KBinsDiscretizer, MaxAbsScaler, RobustScaler, StandardScaler

from convert.errors import Unconvertible
from convert.graphs.families import extreme
from convert.graphs.frame import Columns, beside, doubles, flattened, frame, select
from convert.graphs.registration import (
    BUILDERS,
    EXACT,
    compose_inside,
    dtype_of,
    place,
    register,
    transform_inside,
)
from convert.graphs.writer import BOOL, DOUBLE, STRING, Classified, Tensor, Writer


def pipeline(w: Writer, model: Any, x: Columns) -> Classified | Columns:
    """One step after the other."""
    last = len(model.steps)
    sparse = False
    for number, (name, step) in enumerate(model.steps, 1):
        if _nothing(step):
            continue
        with place(f"step {name!r} ({number} of {last}) of the pipeline"):
            if number == last:
                return compose_inside(w, step, _without_zeros(w, x) if sparse and _boosts(step) else x)
            x = transform_inside(w, step, x)
            sparse = _is_sparse(step, sparse)
    return x


def _boosts(step: Any) -> bool:
    return isinstance(step, (*extreme.CLASSIFIERS, *extreme.REGRESSORS))


def _is_sparse(step: Any, before: bool) -> bool:
    """Whether a step hands on a sparse matrix; ``before``: whether it was given one."""
    if isinstance(step, FeatureUnion):
        return any(_is_sparse(part, before) for _, part in step.transformer_list)
    if isinstance(step, KBinsDiscretizer):
        return bool(step.encode == "onehot")
    told = getattr(step, "sparse_output_", getattr(step, "sparse_output", None))
    keeps = isinstance(step, (SelectorMixin, StandardScaler, MaxAbsScaler, RobustScaler))
    return before and keeps if told is None else bool(told)


def _without_zeros(w: Writer, x: Columns) -> Tensor:
    """XGBoost takes what a sparse matrix does not store, its zeros, for missing."""
    numbers = doubles(w, x)
    zero, missing = w.constant(np.float64(0), "zero"), w.constant(np.float64(np.nan), "missing")
    return w.op("Where", w.op("Equal", numbers, zero, dtype=BOOL), missing, numbers, dtype=DOUBLE)


def column_transformer(w: Writer, model: Any, x: Columns) -> Columns:
    """Each transformer reads its own columns; the results stand in the order of the transformers."""
    parts = []
    weights = model.transformer_weights or {}
    for name, transformer, indices in _assigned(model):
        with place(f"transformer {name!r} of the column transformer"):
            given = select(w, x, indices, model.n_features_in_)
            done = given if _nothing(transformer) else transform_inside(w, transformer, given)
            parts.append((_weighted(w, done, weights.get(name)), (transformer, len(indices))))
    return _joined(w, parts)


def feature_union(w: Writer, model: Any, x: Columns) -> Columns:
    """Every transformer reads all columns."""
    parts = []
    weights = model.transformer_weights or {}
    for name, transformer in model.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        with place(f"transformer {name!r} of the union"):
            done = transform_inside(w, transformer, x)
            parts.append((_weighted(w, done, weights.get(name)), (transformer, model.n_features_in_)))
    return _joined(w, parts)


def _nothing(step: Any) -> bool:
    if isinstance(step, Pipeline):
        return all(_nothing(part) for _, part in step.steps)
    return step is None or (isinstance(step, str) and step == "passthrough")


def _assigned(model: Any) -> Iterator[tuple[str, Any, list[int]]]:
    names = list(getattr(model, "feature_names_in_", ()))
    for name, transformer, columns in model.transformers_:
        indices = _indices(columns, names, model.n_features_in_)
        if indices and not (isinstance(transformer, str) and transformer == "drop"):
            yield name, transformer, indices


def _indices(columns: Any, names: list[str], width: int) -> list[int]:
    """Column numbers of whatever scikit-learn takes for columns: names, numbers, slices of both, or flags."""
    if isinstance(columns, UserList):  # of a remainder in version 1.6, which warns whoever looks inside
        columns = columns.data
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        start = names.index(start) if isinstance(start, str) else start
        stop = names.index(stop) + 1 if isinstance(stop, str) else stop  # a slice of names has its end in it
        return list(range(width))[slice(start, stop, columns.step)]
    chosen = np.atleast_1d(np.asarray(columns, object if isinstance(columns, str) else None))
    if chosen.dtype == np.bool_ or (len(chosen) and all(isinstance(one, bool) for one in chosen)):
        return np.flatnonzero(chosen.astype(bool)).tolist()
    return [names.index(one) if isinstance(one, str) else int(one) % width for one in chosen.tolist()]


def _weighted(w: Writer, x: Columns, weight: float | None) -> Columns:
    if weight is None:
        return x
    return w.op("Mul", doubles(w, x), w.constant(np.float64(weight), "weight"))


def _joined(w: Writer, parts: list[tuple[Columns, tuple[Any, int]]]) -> Columns:
    """``parts`` are columns, the transformer that made them, and how many columns it was given."""
    if not parts:
        raise Unconvertible("it gives no columns")
    if all(isinstance(columns, Tensor) and columns.dtype != STRING for columns, _ in parts):
        return beside(w, [columns for columns, _ in parts if isinstance(columns, Tensor)])
    widths = [given if _nothing(made) else _width(made) for _, (made, given) in parts]
    columns = zip((columns for columns, _ in parts), widths, strict=True)
    return flattened(w, [part for one, width in columns for part in frame(one, width).parts])


def _width(estimator: Any) -> int:
    """Columns that a transformer gives."""
    if isinstance(estimator, Pipeline):
        return _width([step for _, step in estimator.steps if not _nothing(step)][-1])
    if isinstance(estimator, FeatureUnion):
        kept = [part for _, part in estimator.transformer_list if not isinstance(part, str)]
        return sum(int(estimator.n_features_in_) if _nothing(part) else _width(part) for part in kept)
    if isinstance(estimator, ColumnTransformer):
        return sum(
            len(indices) if _nothing(part) else _width(part) for _, part, indices in _assigned(estimator)
        )
    return BUILDERS[type(estimator)].width(estimator)


def _last_dtype(model: Any) -> int:
    name, step = model.steps[-1]
    with place(f"step {name!r} ({len(model.steps)} of {len(model.steps)}) of the pipeline"):
        return dtype_of(step)


def _predictor_width(width: Callable[[Any], int]) -> Callable[[Any], int]:
    def either(model: Any) -> int:
        if hasattr(model, "classes_"):
            return len(model.classes_)
        return 1 if hasattr(model, "predict") else width(model)

    return either


register(Pipeline, pipeline, EXACT, dtype=_last_dtype, width=_predictor_width(_width), mixed=True)
register(ColumnTransformer, column_transformer, EXACT, width=_width, mixed=True)
register(FeatureUnion, feature_union, EXACT, width=_width, mixed=True)
