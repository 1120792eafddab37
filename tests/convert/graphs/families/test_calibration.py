"""Calibration where some fold has not seen some class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.tree import DecisionTreeClassifier

from convert.errors import Unconvertible
from tests.convert.proof import around, prove

DATA = np.random.default_rng(1).normal(size=(120, 3))


def fitted(method: str, classes: int) -> Any:
    """The first of two folds is fitted without class 1."""
    answers, number = np.arange(120) % classes, np.arange(120)
    folds = [(number[(answers != 1) & (number < 80)], number[80:]), (number[40:], number[:40])]
    part = DecisionTreeClassifier(max_depth=3, random_state=0)
    return CalibratedClassifierCV(part, method=method, cv=folds).fit(DATA, answers)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_fold_that_never_saw_a_class(method: str) -> None:
    """It gives that class no probability."""
    model = fitted(method, 4)
    assert [len(fold.estimator.classes_) for fold in model.calibrated_classifiers_] == [3, 4]
    assert prove(model, around(model, DATA, 500))[1:3] == (0, 0)


def test_a_fold_of_two_classes_among_three_is_refused() -> None:
    """It has one score where the others have three."""
    with pytest.raises(Unconvertible, match="calibrated classifier 1 of 2: a fold that saw two classes of"):
        prove(fitted("isotonic", 3), DATA)
