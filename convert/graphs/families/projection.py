"""Fewer columns, or more: chosen, projected, multiplied with each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, combinations_with_replacement
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.preprocessing import PolynomialFeatures

from convert.errors import Unconvertible
from convert.graphs.frame import Columns, select
from convert.graphs.registration import EXACT, NUMERIC, register
from convert.graphs.writer import Tensor, Writer

SELECTORS = (
    GenericUnivariateSelect,
    RFE,
    RFECV,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)


def selector(w: Writer, model: Any, x: Columns) -> Columns:
    """The chosen columns as they are."""
    support = model.get_support()
    chosen = np.flatnonzero(support).tolist()
    if not chosen:
        raise Unconvertible("it keeps no column")
    return select(w, x, chosen, len(support))


def pca(w: Writer, model: Any, x: Tensor) -> Tensor:
    """``x @ C.T - mean @ C.T``: scikit-learn centres after the product; whitened by a division."""
    components = np.ascontiguousarray(model.components_.T, np.float64)
    projected = w.op("MatMul", w.double(x), w.constant(components, "components"))
    centre = np.reshape(model.mean_, (1, -1)) @ model.components_.T
    projected = w.op("Sub", projected, w.constant(centre, "centre"))
    if not model.whiten:
        return projected
    scale = np.sqrt(model.explained_variance_)
    scale = np.maximum(scale, np.finfo(scale.dtype).eps)
    return w.op("Div", projected, w.constant(scale, "scale"))


def truncated_svd(w: Writer, model: Any, x: Tensor) -> Tensor:
    """``x @ C.T``."""
    components = np.ascontiguousarray(model.components_.T, np.float64)
    return w.op("MatMul", w.double(x), w.constant(components, "components"))


def polynomial(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Products level by level: each is one of the level below times its first feature, as in training."""
    x = w.double(x)
    monomials = list(_monomials(model))
    levels: dict[tuple[int, ...], tuple[int, int]] = {}
    tensors: dict[int, Tensor] = {1: x}
    needed = {monomial[skip:] for monomial in monomials for skip in range(len(monomial))}
    for degree in range(1, max(map(len, monomials), default=1) + 1):
        here = sorted(one for one in needed if len(one) == degree)
        if degree == 1:
            levels.update({(feature,): (1, feature) for feature in range(model.n_features_in_)})
            continue
        below = w.columns(tensors[degree - 1], [levels[one[1:]][1] for one in here])
        tensors[degree] = w.op("Mul", below, w.columns(x, [one[0] for one in here]))
        levels.update({one: (degree, at) for at, one in enumerate(here)})
    return _in_order(w, x, monomials, levels, tensors)


def _monomials(model: Any) -> Iterator[tuple[int, ...]]:
    """Feature numbers that each output multiplies; none of them is the constant 1."""
    low, high = (0, model.degree) if isinstance(model.degree, int | np.integer) else model.degree
    combine = combinations if model.interaction_only else combinations_with_replacement
    features = range(model.n_features_in_)
    several = (combine(features, degree) for degree in range(max(1, low), high + 1))
    return chain([()] if model.include_bias else [], chain.from_iterable(several))


def _in_order(
    w: Writer,
    x: Tensor,
    monomials: list[tuple[int, ...]],
    levels: dict[tuple[int, ...], tuple[int, int]],
    tensors: dict[int, Tensor],
) -> Tensor:
    """One matrix of all levels, then the columns that are asked for."""
    degrees = sorted({len(one) for one in monomials} - {0})
    start, at = {}, 0
    for degree in degrees:
        start[degree] = at
        at += sum(len(one) == degree for one in levels)
    parts = [tensors[degree] for degree in degrees]
    if () in monomials:
        parts.append(w.op("Pow", w.columns(x, [0]), w.constant(np.float64(0), "zero")))  # 1, whatever x is
    order = [start[levels[one][0]] + levels[one][1] if one else at for one in monomials]
    joined = w.concat(*parts)
    return joined if order == list(range(at + (() in monomials))) else w.columns(joined, order)


for kind in SELECTORS:
    register(kind, selector, EXACT, width=lambda model: int(model.get_support().sum()), mixed=True)
for kind in (PCA, IncrementalPCA):
    register(kind, pca, NUMERIC, width=lambda model: len(model.components_))
register(TruncatedSVD, truncated_svd, NUMERIC, width=lambda model: len(model.components_))
register(PolynomialFeatures, polynomial, EXACT, width=lambda model: model.n_output_features_)
