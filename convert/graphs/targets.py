"""How close a served answer must be, by what the estimator is made of: the loosest of its parts decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator

from convert.graphs.registration import BUILDERS, EXACT, NUMERIC
from convert.sources.rules import RuleList
from registry.manifest import Bound

MEMBERS = ("estimators_", "estimator_", "final_estimator_", "best_estimator_", "regressor_", "transformer_")
"""Attributes under which the estimators that are made of others keep these."""


def target(estimator: Any) -> Bound:
    """Largest allowed difference from the trained model; none where the graph is exact by design."""
    bounds = [_own(part) for part in parts(estimator)]
    return Bound(
        ulp=max(bound.ulp for bound in bounds),
        absolute=max(bound.absolute for bound in bounds),
        margin_ulp=max(bound.margin_ulp for bound in bounds),
    )


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator and every fitted estimator inside it."""
    yield estimator
    for child in _children(estimator):
        yield from parts(child)


def _own(estimator: Any) -> Bound:
    if isinstance(estimator, RuleList):
        return EXACT
    built = BUILDERS.get(type(estimator))
    if built is None:
        return NUMERIC
    return built.bound(estimator) if callable(built.bound) else built.bound


def _children(estimator: Any) -> list[Any]:
    if isinstance(estimator, SelectorMixin):
        return []  # what is inside has chosen the columns, and is asked nothing any more
    named = [*getattr(estimator, "steps", ()), *getattr(estimator, "transformer_list", ())]
    named += [(name, part) for name, part, _ in getattr(estimator, "transformers_", ())]
    found = [part for _, part in named]
    found += [fold.estimator for fold in getattr(estimator, "calibrated_classifiers_", ())]
    if isinstance(estimator, FrozenEstimator):
        found.append(estimator.estimator)
    for name in MEMBERS:
        found += _flat(getattr(estimator, name, None))
    return [part for part in found if hasattr(part, "fit")]  # not 'passthrough', 'drop' or None


def _flat(members: Any) -> list[Any]:
    """One estimator, or lists and arrays of them; a forest or a pipeline has a length, but is no list."""
    if isinstance(members, list | tuple | np.ndarray):
        return [part for member in members for part in _flat(member)]
    return [members]
