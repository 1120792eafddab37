"""Intervals of measured quality, held against the formulas and figures of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LinearRegression

from convert.oracle import Oracle
from convert.sources import interval
from convert.sources.carding import card_from_data
from convert.sources.table import read


@pytest.mark.parametrize(("right", "rows"), [(0, 7), (1, 1), (139, 150), (150, 150), (81, 263), (1, 200_000)])
def test_wilson_is_scipys(right: int, rows: int) -> None:
    """All right, none right, one row, many rows."""
    expected = stats.binomtest(right, rows).proportion_ci(method="wilson")
    low, high = interval.wilson(right, rows)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0.0 <= low <= right / rows <= high <= 1.0


def test_r2_is_scipys_percentile_bootstrap() -> None:
    """Within what two different sets of resamples may differ."""
    drawn = np.random.default_rng(1)
    right = drawn.normal(size=300)
    predicted = right + drawn.normal(size=300) * 0.5

    def r2(right: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
        return float(1 - ((right - predicted) ** 2).sum() / ((right - right.mean()) ** 2).sum())

    expected = stats.bootstrap(
        (right, predicted), r2, paired=True, vectorized=False, method="percentile", n_resamples=1000, rng=2
    ).confidence_interval
    found = interval.r2(right, predicted)
    assert found == pytest.approx((expected.low, expected.high), abs=0.01)
    assert found == interval.r2(right, predicted)


def test_too_few_rows_have_no_interval() -> None:
    """Sooner or later a resample is of one value only, and has no r2; or its numbers overflow."""
    assert interval.r2(np.array([0.1, 0.1, 0.2]), np.array([0.1, 0.1, 0.1])) is None
    assert interval.r2(np.linspace(0, 1e300, 50), np.full(50, 1e300)) is None


def test_many_rows_take_fewer_resamples() -> None:
    """So that it stays a matter of seconds."""
    assert [interval.resamples(rows) for rows in (1, 50_000, 100_000, 10_000_000)] == [1000, 1000, 500, 100]


def test_the_method_is_named(tmp_path: Path) -> None:
    """The card of a regression has the interval and how it was got; the value lies in it."""
    rows = np.arange(40.0)
    lines = [f"{x:g},{3 * x + (x % 7):g}" for x in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y", *lines]))
    model = LinearRegression().fit(rows[:, None], 3 * rows + rows % 7)
    (metric,) = card_from_data(Oracle(model), read(tmp_path / "rows.csv")).metrics
    assert metric.method == "on the 40 rows of rows.csv; percentile bootstrap of 1000 resamples"
    assert metric.low is not None
    assert metric.high is not None
    assert 0.9 < metric.low <= metric.value <= metric.high <= 1.0
