"""Calibration against scikit-learn, hand counts and a model that is right about itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from research.validation.calibration import brier, expected_calibration_error, reliability


def test_brier_of_two_classes_is_twice_scikit_learns() -> None:
    """Which counts one class only."""
    draws = np.random.default_rng(0)
    sure, labels = draws.random(200), draws.integers(0, 2, 200)
    spread = np.column_stack([1 - sure, sure])
    assert brier(spread, labels) == pytest.approx(2 * brier_score_loss(labels, sure))


def test_brier_ends() -> None:
    """Certain and right: nought. Certain and wrong: two. Undecided among three: two thirds."""
    labels = np.array([0, 2])
    assert brier(np.eye(3)[[0, 2]], labels) == 0
    assert brier(np.eye(3)[[1, 1]], labels) == 2
    assert brier(np.full((2, 3), 1 / 3), labels) == pytest.approx(2 / 3)


def test_reliability_by_hand() -> None:
    """Five answers in two bins; a confidence on an edge is in the bin below; empty bins are left out."""
    spread = np.array([[0.6, 0.4], [0.55, 0.45], [0.95, 0.05], [1.0, 0.0], [0.05, 0.95]])
    table = reliability(spread, np.array([0, 1, 0, 0, 0]))
    assert [(each.low, each.high, each.rows) for each in table] == [(0.5, 0.6, 2), (0.9, 1.0, 3)]
    assert [each.confidence for each in table] == pytest.approx([0.575, 2.9 / 3])
    assert [each.accuracy for each in table] == pytest.approx([0.5, 2 / 3])
    assert expected_calibration_error(table) == pytest.approx((2 * 0.075 + 3 * 0.3) / 5)


def test_a_model_that_knows_itself_is_calibrated() -> None:
    """Labels drawn by the stated probabilities: no error; the same, more boldly stated: much."""
    draws = np.random.default_rng(0)
    sure = draws.random(20_000)
    labels = (draws.random(20_000) < sure).astype(np.int64)

    def error(stated: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return expected_calibration_error(reliability(np.column_stack([1 - stated, stated]), labels))

    assert error(sure) < 0.02
    assert error((sure > 0.5).astype(np.float64)) == pytest.approx(0.25, abs=0.02)
