"""Intervals against known values, scipy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from research.validation.intervals import Z_95, Interval, bootstrap, wilson


def test_quantile_is_that_of_the_normal_distribution() -> None:
    """To the last bit that scipy gives."""
    assert pytest.approx(norm.ppf(0.975), rel=1e-15) == Z_95


@given(st.data(), st.integers(1, 5000))
def test_wilson_is_scipys(data: st.DataObject, rows: int) -> None:
    """For any count of any number of rows, ends included."""
    right = data.draw(st.integers(0, rows))
    expected = binomtest(right, rows).proportion_ci(0.95, "wilson")
    found = wilson(right, rows)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= right / rows <= found.high <= 1


def test_wilson_of_a_textbook() -> None:
    """Newcombe 1998 (Stat. Med. 17:857), table I: 81 of 263 and 0 of 20, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_takes_means_of_repeats() -> None:
    """Half a flower lies between two whole ones."""
    low, middle, high = wilson(143, 150), wilson(143.5, 150), wilson(144, 150)
    assert low.low < middle.low < high.low
    assert low.high < middle.high < high.high


@pytest.mark.parametrize(("right", "rows"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_share(right: int, rows: int) -> None:
    """No rows, or more right ones than there are."""
    with pytest.raises(ValueError, match="at least one row"):
        wilson(right, rows)


def test_bootstrap_of_a_mean_is_nearly_the_normal_one() -> None:
    """Where both are right they agree."""
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = bootstrap(lambda column: float(column.mean()), values)
    reach = Z_95 * values.std() / 20
    assert found == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.03)


def test_bootstrap_keeps_rows_whole() -> None:
    """Columns are drawn together: a difference that is nought in each row is nought in every resample."""
    column = np.arange(50.0)
    assert bootstrap(lambda one, other: float(np.abs(one - other).max()), column, column) == (0.0, 0.0)


def test_bootstrap_is_the_same_every_time() -> None:
    """And another with another seed."""
    values = np.random.default_rng(2).random(30)

    def mean(column: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return float(column.mean())

    assert bootstrap(mean, values) == bootstrap(mean, values)
    assert bootstrap(mean, values) != bootstrap(mean, values, seed=1)


def test_bootstrap_leaves_out_what_is_not_finite() -> None:
    """And refuses where nothing is left, or nothing came."""
    values = np.array([1.0, np.nan])
    low, high = bootstrap(lambda column: float(column.mean()), values)
    assert (low, high) == (1.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        bootstrap(lambda _: float("nan"), values, resamples=3)
    with pytest.raises(ValueError, match="one length"):
        bootstrap(lambda *_: 0.0, values, values[:1])
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap(lambda *_: 0.0, values[:0])


def test_intervals_meet_at_their_ends() -> None:
    """Ends belong to an interval."""
    assert Interval(0, 1).meets(Interval(1, 2))
    assert not Interval(0, 1).meets(Interval(1.1, 2))
    assert Interval(0, 1).holds(1)
    assert not Interval(0, 1).holds(1.1)
