"""Missing values: replaced by a constant per column, and told by flags. Nothing is computed, so all is exact.

A string that is served is never missing, so among strings only the trainer's own markers ("?") are replaced.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer

from convert.errors import Unconvertible
from convert.graphs.frame import Columns, matrix
from convert.graphs.registration import EXACT, register
from convert.graphs.writer import BOOL, INT64, STRING, Tensor, Writer


def imputer(w: Writer, model: Any, x: Columns) -> Tensor:
    """The constant where the value is missing, the value elsewhere; flags of missing values behind them."""
    x = matrix(w, x)
    if x.dtype == STRING:
        return _strings(w, model, x)
    x = w.double(x)
    statistics = np.array(model.statistics_, np.float64)
    kept = _kept(model, statistics)
    some = x if len(kept) == len(statistics) else w.columns(x, kept)
    replaced = w.op("Where", _missing(w, some, model.missing_values), _row(w, statistics[kept]), some)
    filled = Tensor(replaced.name, x.dtype)
    if not model.add_indicator:
        return filled
    return w.concat(filled, indicator(w, model.indicator_, x))


def indicator(w: Writer, model: Any, x: Tensor) -> Tensor:
    """1 where a value is missing, for the features that could miss one."""
    features = np.asarray(model.features_, np.int64)
    return w.double(_missing(w, w.columns(w.double(x), features), model.missing_values))


def _missing(w: Writer, x: Tensor, marker: Any) -> Tensor:
    if _is_missing(marker):
        return w.op("IsNaN", x, dtype=BOOL)
    return w.op("Equal", x, w.constant(np.float64(marker), "marker"), dtype=BOOL)


def _is_missing(marker: Any) -> bool:
    """None, NaN and pandas' NA."""
    return marker is None or marker != marker or type(marker).__name__ == "NAType"


def _kept(model: Any, statistics: Any) -> Any:
    """Columns that had a value in training; the others are dropped, unless they are kept on purpose."""
    if model.keep_empty_features:
        return np.arange(len(statistics))
    return np.flatnonzero([not _is_missing(one) for one in statistics])


def _row(w: Writer, statistics: Any) -> Tensor:
    return w.constant(statistics, "statistics")


def _strings(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Strings can be told from each other by their place in a list only: the marker gets number 1."""
    if model.add_indicator:
        raise Unconvertible("flags for missing strings; a string that is served is never missing")
    kept = _kept(model, model.statistics_)
    if len(kept) < len(model.statistics_):
        x = w.columns(x, kept)
    if _is_missing(model.missing_values):
        return x
    marked = w.ml(
        "LabelEncoder",
        x,
        dtype=INT64,
        keys_strings=[str(model.missing_values)],
        values_int64s=[1],
        default_int64=0,
    )
    fill = w.constant(np.array([str(one) for one in model.statistics_[kept]], object), "statistics")
    replaced = w.op("Where", w.cast(marked, BOOL), fill, x)
    return Tensor(replaced.name, STRING)


def _width(model: Any) -> int:
    kept = len(_kept(model, model.statistics_))
    return kept + (len(model.indicator_.features_) if model.add_indicator else 0)


register(SimpleImputer, imputer, EXACT, width=_width, mixed=True)
register(MissingIndicator, indicator, EXACT, width=lambda model: len(model.features_))
