"""Conditions in words are true, whatever the digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from server.explanation.explainer import single
from server.explanation.path import HOLDS, Condition, conditions, leaves
from tests.server.explanation.asked import IRIS, SPECIES, Asked, asked

TWO = (SPECIES > 0).astype(int)


def told(found: Asked, row: Any) -> list[Condition]:
    values = tuple(None if value != value else float(value) for value in row)
    copies = single(found.explainer.forest)
    assert copies is not None
    return conditions(found.explainer, found.explainer.explain(values), copies, values)


@pytest.fixture(scope="module")
def tree() -> Asked:
    """float32 rows, float64 thresholds."""
    table = IRIS.copy()
    table[:5, 3] = np.nan
    return asked(DecisionTreeClassifier(max_depth=3, random_state=0).fit(table, SPECIES))


@pytest.fixture(scope="module")
def stump() -> Asked:
    """float32 rows and thresholds, ``<``."""
    return asked(XGBClassifier(n_estimators=1, max_depth=1, n_jobs=1).fit(IRIS, TWO))


def test_every_condition_holds_as_it_is_written(tree: Asked, stump: Asked) -> None:
    """The numbers of the text, read back, stand in the relation that is stated; on thresholds and beside
    them."""
    for found in (tree, stump):
        forest = found.explainer.forest
        assert forest is not None
        for feature, threshold in zip(forest.feature, forest.threshold, strict=True):
            for value in (threshold, *np.nextafter(np.float64(threshold), [-9, 9]), 2.45, 4.9, 0.1):
                row = IRIS[100].copy()
                row[feature] = value
                for condition in told(found, row):
                    *_, left, sign, right = condition.text.split(" ")
                    assert HOLDS[sign](float(left), float(right)), condition
                    read = condition.value if condition.read_as is None else condition.read_as
                    assert read is not None
                    assert HOLDS[condition.operator](read, condition.threshold), condition
                    assert (sign, condition.feature) == (
                        condition.operator,
                        condition.text.split(" ")[0].strip(","),
                    )


def test_few_digits_where_they_do(stump: Asked) -> None:
    """A float32 threshold in its own digits; a number that is rounded to it on the way is told to be."""
    (condition,) = told(stump, IRIS[0])
    assert condition.text == "f2 1.4 < 3"
    (condition,) = told(stump, [5, 3, 3 - 1e-9, 1])
    assert (condition.operator, condition.read_as) == (">=", 3.0)
    assert condition.text == "f2 3, read as 3.0 >= 3.0" or condition.text == "f2 3, read as 3 >= 3"


def test_missing_values_say_so(tree: Asked) -> None:
    """No number stands against the threshold then."""
    texts = [condition.text for condition in told(tree, [5, 3, np.nan, np.nan])]
    assert "f3 is missing" in texts or "f2 is missing" in texts
    operators = {condition.operator for condition in told(tree, [5, 3, np.nan, np.nan])}
    assert "missing" in operators


def test_what_counts_as_missing_says_so() -> None:
    """A number that was declared to mean nothing."""
    model = XGBClassifier(n_estimators=1, max_depth=1, missing=-1.0, n_jobs=1).fit(IRIS, TWO)
    (condition,) = told(asked(model), [5, 3, -1, 1])
    assert condition.text == "f2 -1 counts as missing"
    assert (condition.operator, condition.value) == ("missing", -1)


def test_what_is_scaled_says_so() -> None:
    """The value as it was given, and as it was compared."""
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=1)).fit(IRIS, TWO)
    (condition,) = told(asked(model), IRIS[0])
    assert condition.value == IRIS[0][int(condition.feature[1])]
    assert condition.read_as is not None
    assert condition.text.startswith(f"{condition.feature} {condition.value:g}, read as -1.")


def test_leaves_add_up(stump: Asked) -> None:
    """What the listed leaves add is the sum, as no tree was left out; with the sign of what is told."""
    found = stump.explainer.explain(tuple(IRIS[0].tolist()))
    listed, trees = leaves(stump.explainer, found, 10)
    assert (len(listed), trees) == (1, 1)
    assert listed[0].adds == {"1": pytest.approx(found.sums[0])}
    assert leaves(stump.explainer, found, 0) == ([], 1)
