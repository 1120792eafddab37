"""Paired tests against scipy, hand counts and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from research.validation.paired import corrected_resampled_t, holm, mcnemar


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300))
def test_mcnemar_is_the_binomial_test(rows: list[tuple[bool, bool]]) -> None:
    """Of the rows that only one got right, against one half."""
    first, second = np.array(rows).T
    found = mcnemar(first, second)
    alone = [one for one, other in rows if one != other]
    assert (found.only_first, found.only_second) == (sum(alone), len(alone) - sum(alone))
    expected = binomtest(sum(alone), len(alone)).pvalue if alone else 1.0
    assert found.p == pytest.approx(expected)
    assert mcnemar(second, first).p == found.p


def test_mcnemar_by_counting_every_way() -> None:
    """Of the 2^6 ways in which six rows could have fallen, those at least as lopsided as five to one."""
    first = np.array([True] * 5 + [False] + [True] * 4)
    second = np.array([False] * 5 + [True] + [True] * 4)
    ways = [sum(way) for way in product((0, 1), repeat=6)]
    assert mcnemar(first, second).p == sum(abs(way - 3) >= 2 for way in ways) / len(ways)


def test_mcnemar_of_thousands_of_rows() -> None:
    """No power of one half underflows."""
    first = np.arange(2400) < 1200
    assert mcnemar(first, ~first).p == 1.0
    assert mcnemar(np.ones(2400, bool), np.zeros(2400, bool)).p == 0.0


def test_corrected_t_by_hand() -> None:
    """Mean 0.2, variance 0.02, four folds, a third of the rows asked: t = 0.2 / sqrt((1/4 + 1/2) 0.02)."""
    differences = np.array([0.05, 0.15, 0.25, 0.35])
    variance = differences.var(ddof=1)
    found = corrected_resampled_t(differences, 50, 100)
    assert found.difference == pytest.approx(0.2)
    error = np.sqrt((1 / 4 + 1 / 2) * variance)
    assert (found.low + found.high) / 2 == pytest.approx(0.2)
    assert (found.high - found.low) / 2 == pytest.approx(3.182446305 * error)  # t of 0.975, 3 degrees


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_without_the_correction_it_is_scipys(values: list[float]) -> None:
    """No test rows: the plain t test; with them, never a smaller chance."""
    differences = np.array(values)
    if differences.std() < 1e-6:
        return
    plain = corrected_resampled_t(differences, 0, 1)
    expected = ttest_1samp(differences, 0)
    assert plain.p == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert (plain.low, plain.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert corrected_resampled_t(differences, 1, 9).p >= plain.p


def test_corrected_t_without_spread() -> None:
    """Always the same: no difference is no evidence, a difference is certain."""
    assert corrected_resampled_t(np.zeros(5), 1, 9).p == 1.0
    assert corrected_resampled_t(np.ones(5), 1, 9) == (1.0, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="two folds"):
        corrected_resampled_t(np.ones(1), 1, 9)


def test_corrected_t_keeps_its_level() -> None:
    """Two coins are told apart too often by the plain test, and not by the corrected one.

    Each of 200 tables has 60 rows and two models that are right by chance; repeated folds see the same rows.
    """
    draws = np.random.default_rng(0)
    alarms = {0.0: 0, 1 / 9: 0}
    for _ in range(200):
        difference = draws.integers(0, 2, 60).astype(float) - draws.integers(0, 2, 60)
        folds = np.concatenate([draws.permutation(difference).reshape(10, 6).mean(axis=1) for _ in range(10)])
        for share in alarms:
            alarms[share] += corrected_resampled_t(folds, share, 1).p < 0.05
    assert alarms[0.0] > 60
    assert alarms[1 / 9] <= 20


def test_holm_of_a_textbook() -> None:
    """Four chances, stepped down by hand; the order given is kept."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_nothing_and_bonferroni(values: list[float]) -> None:
    """Never smaller than the chance itself, never larger than times their number, in the same order."""
    adjusted = holm(values)
    for one, p in zip(adjusted, values, strict=True):
        assert p <= one <= min(1.0, p * len(values)) + 1e-12
    order = sorted(range(len(values)), key=lambda number: values[number])
    assert [adjusted[number] for number in order] == sorted(adjusted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_what_stepping_down_rejects(values: list[float], level: float) -> None:
    """The definition: smallest first, each against level / remaining, and none after the first that stays."""
    order = sorted(range(len(values)), key=lambda number: values[number])
    rejected = set()
    for place, number in enumerate(order):
        if (len(values) - place) * values[number] >= level:
            break
        rejected.add(number)
    assert {number for number, p in enumerate(holm(values)) if p < level} == rejected
