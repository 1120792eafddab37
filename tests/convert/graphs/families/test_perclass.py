"""One class against the rest and one against one, beyond what stands among the committees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from convert.errors import Unconvertible
from convert.graphs.families import perclass
from convert.graphs.graph import build
from convert.oracle import Oracle
from server.session import Session
from tests.convert.proof import around, prove, signature_of

IRIS, SPECIES = load_iris(return_X_y=True)


def tree() -> Any:
    """One that is often wholly sure."""
    return DecisionTreeClassifier(random_state=0)


def test_scores_without_probabilities() -> None:
    """The surest machine decides."""
    model = OneVsRestClassifier(LinearSVC()).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 500))[1:3] == (0, 0)


@pytest.mark.parametrize("older", [False, True])
def test_nothing_to_divide_by(monkeypatch: pytest.MonkeyPatch, older: bool) -> None:
    """Where every class says no the shares are zeros, and in version 1.6, which divides, NaN."""
    monkeypatch.setattr(perclass, "nothing_is_divided", lambda: older)
    model = OneVsRestClassifier(tree()).fit(IRIS, SPECIES)
    oracle = Oracle(model)
    session = Session(build(oracle, "proof", signature_of(oracle)), signature_of(oracle))
    rows = around(model, IRIS, 500)
    sure = np.column_stack([part.predict_proba(rows)[:, 1] for part in model.estimators_])
    nobody = sure.sum(axis=1) == 0
    assert 0 < nobody.sum() < len(rows)
    numbers = session.answers(session.feed(rows)).numbers
    assert np.array_equal(np.isnan(numbers), np.repeat(nobody[:, None], 3, axis=1) & older)
    assert np.array_equal(numbers[~nobody], sure[~nobody] / sure[~nobody].sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("model", "answers", "reason"),
    [
        (OneVsRestClassifier(tree()), np.column_stack([SPECIES > 0, SPECIES > 1]), "several labels per row"),
        (OneVsRestClassifier(LinearRegression()), SPECIES, "model 1 of 3: LinearRegression is no classifier"),
        (OneVsOneClassifier(LinearRegression()), SPECIES, "model 1 of 3: LinearRegression is no classifier"),
    ],
    ids=["labels", "rest", "pairs"],
)
def test_refusals(model: Any, answers: Any, reason: str) -> None:
    """scikit-learn takes them."""
    with pytest.raises(Unconvertible, match=reason):
        prove(model.fit(IRIS, answers), IRIS)


def test_distances_for_features_are_refused() -> None:
    """A machine for each pair that reads its own rows' columns only."""
    model = OneVsOneClassifier(SVC(kernel="precomputed")).fit(IRIS @ IRIS.T, SPECIES)
    with pytest.raises(Unconvertible, match="there is no graph for the kernel precomputed"):
        prove(model, IRIS @ IRIS.T)
