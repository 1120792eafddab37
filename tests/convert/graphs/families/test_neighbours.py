"""Nearest neighbours: the same bits, but for training rows at the same distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from convert.errors import Unconvertible
from convert.graphs.families import neighbours
from registry.manifest import Bound
from tests.convert.graphs.families.numeric import EVEN, Table, batch_changes, extreme
from tests.convert.proof import around, prove

WAYS = [
    (algorithm, weights, p)
    for algorithm in ("kd_tree", "ball_tree", "brute")
    for weights in ("uniform", "distance")
    for p in (1, 2, np.inf)
    if (algorithm, weights, p) != ("brute", "distance", 2)
]


def apart(name: str) -> Table:
    """A table without two rows at the same distance from any other: its numbers are shaken a little."""
    data, answers = EVEN[name]
    return data + np.random.default_rng(0).normal(scale=1e-3, size=data.shape), answers


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("table", ["iris", "wine"])
def test_classifiers(way: Any, table: str) -> None:
    """The training rows as well, which are their own neighbours at distance 0."""
    algorithm, weights, p = way
    data, answers = apart(table)
    model = KNeighborsClassifier(5, algorithm=algorithm, weights=weights, p=p).fit(data, answers)
    rows = around(model, data)
    assert prove(model, rows, bound=Bound(ulp=1))[1:3] == (0, 0)
    assert batch_changes(model, rows[:150]) == 0


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_regressors(way: Any) -> None:
    """So many numbers that features are taken one at a time."""
    algorithm, weights, p = way
    data, answers = apart("diabetes")
    model = KNeighborsRegressor(6, algorithm=algorithm, weights=weights, p=p).fit(data, answers)
    rows = around(model, data)
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:150]) == 0


@pytest.mark.parametrize("algorithm", ["kd_tree", "brute"])
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_far_away_everything_is_at_the_same_distance(algorithm: str, table: str) -> None:
    """Then the trainer takes the first rows of its tree, or of the table."""
    data, answers = EVEN[table]
    model = KNeighborsClassifier(5, algorithm=algorithm).fit(data, answers)
    assert prove(model, extreme(data))[1:3] == (0, 0)


def test_what_has_no_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do instead."""
    data, answers = EVEN["iris"]

    def refused(match: str, rows: Any = data, wanted: Any = answers, **settings: Any) -> None:
        with pytest.raises(Unconvertible, match=match):
            prove(KNeighborsClassifier(**settings).fit(rows, wanted), data)

    refused("known: Euclidean", p=3)
    refused("known: Euclidean", metric="cosine")
    refused("weights by a function", weights=lambda distance: distance)
    refused("algorithm='kd_tree'", algorithm="brute", weights="distance")
    refused("sparse", rows=csr_matrix(data))
    monkeypatch.setattr(neighbours, "MOST_ROWS", 100)
    refused("keeps 150 training rows")


def test_several_outputs_are_refused() -> None:
    """Of values; those of classes no oracle takes."""
    data, answers = EVEN["diabetes"]
    model = KNeighborsRegressor().fit(data, np.column_stack([answers, answers]))
    with pytest.raises(Unconvertible, match="one model per output"):
        prove(model, data)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 4),
    st.integers(1, 20),
    st.integers(1, 7),
    st.sampled_from(["uniform", "distance"]),
    st.integers(0, 2**31 - 1),
)
def test_any_small_neighbourhood(classes: int, k: int, features: int, weights: str, seed: int) -> None:
    """One class, all rows as neighbours: nothing is special."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(20, features))
    model = KNeighborsClassifier(k, weights=weights, algorithm="kd_tree").fit(data, np.arange(20) % classes)
    assert prove(model, rng.normal(size=(200, features)))[2] == 0
