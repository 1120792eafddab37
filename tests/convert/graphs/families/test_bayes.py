"""Naive Bayes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

from convert.errors import Unconvertible
from tests.convert.graphs.families.numeric import TABLES, batch_changes, extreme
from tests.convert.proof import around, prove


@pytest.mark.parametrize(
    "model", [GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB(binarize=2.0)], ids=str
)
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_classifiers(model: Any, table: str) -> None:
    """Numbers of any size."""
    data, answers = TABLES[table]
    model.fit(data, answers)
    rows = np.concatenate([around(model, data), extreme(data)])
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:200]) == 0


def test_flags_as_they_come() -> None:
    """``binarize=None`` takes the numbers for the flags."""
    data, answers = TABLES["iris"]
    flags = (data > data.mean(axis=0)).astype(np.float64)
    model = BernoulliNB(binarize=None).fit(flags, answers)
    assert prove(model, flags)[1:3] == (0, 0)


def test_one_class() -> None:
    """It has probability 1."""
    data, _ = TABLES["iris"]
    for model in (GaussianNB(), ComplementNB()):
        assert prove(model.fit(data, np.zeros(len(data))), data)[1:3] == (0, 0)


def test_categories_are_refused() -> None:
    """With what to do instead."""
    data, answers = TABLES["iris"]
    with pytest.raises(Unconvertible, match="OneHotEncoder"):
        prove(CategoricalNB().fit(data.round(), answers), data.round())


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from([GaussianNB, MultinomialNB, ComplementNB, BernoulliNB]),
    st.integers(2, 6),
    st.integers(1, 9),
    st.integers(0, 2**31 - 1),
)
def test_any_small_model(kind: type[Any], classes: int, features: int, seed: int) -> None:
    """Any number of classes and features."""
    rng = np.random.default_rng(seed)
    data = rng.uniform(0, 5, size=(60, features))
    model = kind().fit(data, np.arange(60) % classes)
    rows = rng.uniform(0, 6, size=(200, features))
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:40]) == 0
