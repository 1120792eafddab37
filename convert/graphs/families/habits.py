"""What scikit-learn's versions do differently and no attribute tells: a small model is asked instead."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.multiclass import OneVsRestClassifier

ROW, CLASSES = np.zeros((1, 1)), np.arange(3)


@cache
def equals_go_to_the_last() -> bool:
    """Whether one-against-the-rest gives the last of equally sure classes: so up to 1.7."""
    equal = OneVsRestClassifier(DummyClassifier(strategy="prior")).fit(np.zeros((3, 1)), CLASSES)
    return bool(equal.predict(ROW)[0] == CLASSES[-1])


@cache
def nothing_is_divided() -> bool:
    """Whether one-against-the-rest divides probabilities by a sum of 0, into NaN: so up to 1.6."""
    never = DummyClassifier(strategy="constant", constant=0)
    empty = OneVsRestClassifier(never).fit(np.zeros((3, 1)), CLASSES)
    # A member that says no to everything, whichever class it stands for.
    empty.estimators_ = [never.fit(np.zeros((2, 1)), [0, 1])] * len(CLASSES)
    return _undefined(empty)


@cache
def no_sigmoid_is_divided() -> bool:
    """The same of sigmoids of linear scores that are all 0: so up to 1.8."""
    sure = SGDClassifier(loss="log_loss").fit(np.zeros((3, 1)), CLASSES)
    sure.intercept_ = np.full(len(CLASSES), -1e4)
    return _undefined(sure)


def _undefined(model: Any) -> bool:
    with np.errstate(all="ignore"):
        found: NDArray[np.float64] = model.predict_proba(ROW)
    return bool(np.isnan(found).any())
