"""Every way of holding rows out holds the right ones out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from research.validation.folds import hold_out, k_fold, leave_one_out, sample


def test_leave_one_out_asks_every_row_alone() -> None:
    """Of a model that saw all others."""
    folds = list(leave_one_out(5))
    assert [test.tolist() for _, test in folds] == [[0], [1], [2], [3], [4]]
    assert all(sorted([*train, *test]) == [0, 1, 2, 3, 4] for train, test in folds)


@given(st.integers(0, 100), st.booleans())
def test_folds_cover_every_row_once(seed: int, stratified: bool) -> None:
    """No row is asked of a model that saw it; with classes, each fold has its share of each."""
    y = np.repeat([0, 1, 2], [20, 30, 10])
    folds = k_fold(y, 5, seed, stratified)
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(60))
    for train, test in folds:
        assert not set(train) & set(test)
        assert len(train) + len(test) == 60
        if stratified:
            assert np.bincount(y[test]).tolist() == [4, 6, 2]


def test_the_seed_decides() -> None:
    """The same seed, the same rows; another, others."""
    y = np.arange(40) % 2
    same, other = hold_out(y, 0.25, 0, True), hold_out(y, 0.25, 1, True)
    assert same[1].tolist() == hold_out(y, 0.25, 0, True)[1].tolist() != other[1].tolist()
    assert np.bincount(y[same[1]]).tolist() == [5, 5]
    assert len(hold_out(y.astype(float), 0.25, 0, False)[1]) == 10


def test_a_sample_keeps_the_shares() -> None:
    """Ascending, and all rows where not more are there."""
    y = np.repeat([0, 1], [300, 100])
    chosen = sample(y, 40, 0, True)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert np.bincount(y[chosen]).tolist() == [30, 10]
    assert sample(y, 400, 0, True).tolist() == list(range(400))
