"""Where the trained model wavers itself, any of its answers is right; nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from convert.oracle import Oracle
from convert.proving.margin import MAX_ROWS, in_margin
from registry.manifest import Bound
from server.session import Answers

CLOSE = Bound(ulp=4, absolute=1e-12, margin_ulp=8)
ROWS = np.array([[0.0], [1.0], [2.0], [3.0]])


@pytest.fixture(scope="module")
def steep() -> Oracle:
    """A classifier whose answer turns somewhere between 1 and 2."""
    return Oracle(LogisticRegression(C=1e6).fit(ROWS, [0, 0, 1, 1]))


def turning_point(oracle: Oracle) -> float:
    """The last number that is still class 0."""
    low, high = 1.0, 2.0
    while np.nextafter(low, high) < high:
        middle = low + (high - low) / 2
        low, high = (low, middle) if oracle.labels(np.array([[middle]]))[0] else (middle, high)
    return low


def answer(oracle: Oracle, row: float, label: int) -> Answers:
    """The trained model's numbers, with any label."""
    return Answers(np.array([label]), oracle.numbers(np.array([[row]])))


def test_the_other_label_is_right_at_the_turning_point(steep: Oracle) -> None:
    """A few ulp from where the trained model changes its mind both labels are its own; further off, one."""
    edge = turning_point(steep)
    for row, pardoned in ((edge, True), (edge - 1e-9, False), (1.0, False)):
        found = in_margin(steep, np.array([[row]]), answer(steep, row, 1), CLOSE)
        assert found.tolist() == [pardoned]


def test_numbers_count_as_well(steep: Oracle) -> None:
    """The right label with numbers that the trained model gives nowhere near is not pardoned."""
    edge = turning_point(steep)
    off = Answers(np.array([1]), np.array([[0.4, 0.6]]))
    assert in_margin(steep, np.array([[edge]]), off, CLOSE).tolist() == [False]


def test_values_of_a_regression() -> None:
    """A value that the trained model gives one ulp beside the row is right, one of elsewhere is not."""
    oracle = Oracle(LinearRegression().fit(ROWS, [0.0, 1e9, 2e9, 3e9]))
    beside = oracle.numbers(np.array([[np.nextafter(1.5, 2)]]))
    none = np.empty(0, np.int64)
    exact = Bound(margin_ulp=1)
    assert in_margin(oracle, np.array([[1.5]]), Answers(none, beside), exact).tolist() == [True]
    assert in_margin(oracle, np.array([[1.4]]), Answers(none, beside), exact).tolist() == [False]


def test_no_margin_and_too_many_rows(steep: Oracle) -> None:
    """Without a margin nothing is pardoned, and so many rows are no accident."""
    edge = turning_point(steep)
    assert in_margin(steep, np.array([[edge]]), answer(steep, edge, 1), Bound()).tolist() == [False]
    many = np.full((MAX_ROWS + 1, 1), edge)
    served = Answers(np.ones(len(many), np.int64), steep.numbers(many))
    assert not in_margin(steep, many, served, CLOSE).any()
