"""Holds the graph of any fitted estimator against the estimator itself, on rows made to tell them apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.coding import Coding
from convert.graphs.graph import build, natural_dtype
from convert.graphs.targets import target
from convert.oracle import Oracle
from convert.proving.splits import splits
from registry.manifest import Bound, Dtype, Feature, Signature
from server.session import Session, within

Matrix = NDArray[np.float64]


class Proof(NamedTuple):
    """How the graph compared."""

    rows: int
    labels_wrong: int
    numbers_wrong: int
    """Numbers outside the bound."""
    worst: float
    """Largest absolute difference."""


def signature_of(oracle: Oracle, dtype: Dtype | None = None) -> Signature:
    """Features named as in training, without ranges; strings where the oracle's coding has them."""
    plain = dtype or natural_dtype(oracle.estimator)
    features = tuple(
        Feature(name=name, dtype="string" if number in oracle.coding.vocabulary else plain)
        for number, name in enumerate(oracle.coding.names)
    )
    return Signature(features=features, classes=oracle.classes, probabilities=oracle.has_probabilities)


def prove(
    estimator: Any,
    rows: Matrix,
    dtype: Dtype | None = None,
    coding: Coding | None = None,
    bound: Bound | None = None,
) -> Proof:
    """Convert, and compare on ``rows``, in one batch. ``bound`` is by default the estimator's target."""
    oracle = Oracle(estimator, coding)
    signature = signature_of(oracle, dtype)
    session = Session(build(oracle, "proof", signature), signature)
    labels, numbers = session.answers(session.feed(oracle.coding.rows(rows)))
    expected = oracle.numbers(rows)
    inside = within(numbers, expected, bound or target(oracle.estimator))
    with np.errstate(invalid="ignore"):
        apart = np.abs(numbers - expected)
    wrong = int((labels != oracle.labels(rows)).sum())
    return Proof(len(rows), wrong, int((~inside).sum()), float(np.nanmax(apart, initial=0.0)))


def around(estimator: Any, data: Matrix, count: int = 2_000, seed: int = 0) -> Matrix:
    """The data, random rows in and around its box, and every split of the graph that reads the input itself
    with its neighbours in float32 and float64."""
    rng = np.random.default_rng(seed)
    low, high = np.nanmin(data, axis=0), np.nanmax(data, axis=0)
    wide = (high - low) / 4 + (high == low)
    random = rng.uniform(low - wide, high + wide, (count, data.shape[1]))
    random[::2] = random[::2].round(2)
    oracle = Oracle(estimator)
    known = splits(build(oracle, "proof", signature_of(oracle))).splits
    beside = np.repeat(random[rng.integers(0, count, len(known))], 5, axis=0)
    for number, (feature, threshold) in enumerate(known):
        single = np.float32(threshold)
        values = [threshold, *np.nextafter(threshold, [-np.inf, np.inf])]
        values += [float(np.nextafter(single, np.float32(way))) for way in (-np.inf, np.inf)]
        beside[5 * number : 5 * number + 5, feature] = values
    return np.concatenate([data, random, beside])


def punched(rows: Matrix, share: float = 0.2, seed: int = 0) -> Matrix:
    """The rows with some values missing."""
    holes = np.random.default_rng(seed).random(rows.shape) < share
    return np.where(holes, np.nan, rows)
