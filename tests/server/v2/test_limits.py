"""The smallest and the largest value of each column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from registry.manifest import Feature
from server.v2.limits import BLOCK_ROWS, Limits

FEATURES = (
    Feature(name="a", dtype="float32", minimum=0.0, maximum=0.1),
    Feature(name="b", dtype="float32", maximum=5.0, may_be_missing=True),
)


def rows_of(count: int, dtype: type = np.float32) -> np.ndarray[Any, Any]:
    """All inside."""
    return np.tile(np.array([0, 5], dtype), (count, 1))


@pytest.mark.parametrize("rows", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 7])
def test_one_wrong_value_is_found_wherever_it_is(rows: int) -> None:
    """In the first row, the last, and beside the end of a block."""
    limits = Limits(FEATURES, np.dtype(np.float32))
    assert limits.all_inside(rows_of(rows))
    for row in {0, BLOCK_ROWS - 1, BLOCK_ROWS, rows - 1} & set(range(rows)):
        for column, value in ((0, -0.001), (0, 0.11), (1, 5.1), (0, np.nan), (1, np.inf)):
            values = rows_of(rows)
            values[row, column] = value
            assert not limits.all_inside(values)
            assert np.argwhere(limits.outside(values)).tolist() == [[row, column]]


def test_a_missing_value_is_looked_at_twice() -> None:
    """It is not inside, and yet taken where it may be missing."""
    values = rows_of(BLOCK_ROWS + 1)
    values[[0, BLOCK_ROWS], 1] = np.nan
    limits = Limits(FEATURES, np.dtype(np.float32))
    assert not limits.all_inside(values)
    assert not limits.outside(values).any()


def test_a_bound_is_taken_itself() -> None:
    """Rounded to the dtype of the values; of integers, those inside."""
    limits = Limits(FEATURES, np.dtype(np.float32))
    assert limits.all_inside(np.array([[np.float32(0.1), 5]], np.float32))
    whole = Limits((Feature(name="a", dtype="int64", minimum=-1.5, maximum=2.5),), np.dtype(np.int64))
    assert whole.all_inside(np.array([[-1], [2]]))
    assert whole.outside(np.array([[-2], [3], [0]])).tolist() == [[True], [True], [False]]
    endless = Limits((Feature(name="a", dtype="int64"),), np.dtype(np.int64))
    assert endless.all_inside(np.array([[-(2**63)], [2**63 - 1]]))
