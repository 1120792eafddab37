"""Confusion, precision and recall against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from research.validation.confusion import confusion, per_class


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    """Also where a class is never answered, or never there: None, and not a number."""
    truth, answers = np.array(rows).T
    matrix = confusion(truth, answers, 4)
    assert matrix.tolist() == confusion_matrix(truth, answers, labels=range(4)).tolist()
    precision, recall, _, support = precision_recall_fscore_support(
        truth, answers, labels=range(4), zero_division=np.nan
    )
    for number, quality in enumerate(per_class(matrix, ("a", "b", "c", "d"))):
        assert quality.rows == support[number]
        for found, expected in ((quality.precision, precision[number]), (quality.recall, recall[number])):
            assert found is None if np.isnan(expected) else found == pytest.approx(expected)
