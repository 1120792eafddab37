"""How close an answer must be: the loosest part decides."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris
from sklearn.feature_selection import SelectFromModel
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from convert.graphs.registration import EXACT, NUMERIC
from convert.graphs.targets import target
from convert.sources.rules import RuleList
from tests.convert.proof import prove

IRIS, SPECIES = load_iris(return_X_y=True)


def test_rules_are_exact(rules: RuleList) -> None:
    """They only compare."""
    assert target(rules) == EXACT


def test_what_skl2onnx_builds_has_the_loosest() -> None:
    """There is no exact builder for a Gaussian process; the graph keeps the bound of sums of products."""
    model = GaussianProcessRegressor(alpha=1e-2, random_state=0).fit(IRIS[::5, :3], IRIS[::5, 3])
    assert target(model) == NUMERIC
    assert prove(model, IRIS[:, :3])[1:3] == (0, 0)


def test_what_chose_the_columns_is_asked_nothing() -> None:
    """A selector computes nothing, whatever chose for it."""
    chosen = SelectFromModel(LogisticRegression(max_iter=500))
    model = make_pipeline(chosen, DecisionTreeClassifier(random_state=0)).fit(IRIS, SPECIES)
    assert 0 < np.count_nonzero(model[0].get_support()) < 4
    assert target(model) == EXACT
    assert prove(model, IRIS)[1:] == (0, 0, 0.0)
