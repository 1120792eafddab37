"""What is told of models of every sort."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier

from server.errors import InvalidValues
from server.explanation.command import _lines
from server.explanation.document import Document, document
from tests.server.explanation.asked import DIABETES, IRIS, PROGRESS, SPECIES, model_of

TWO = SPECIES > 0


def answered(told: Document) -> bytes:
    """As ``/predict`` would say it."""
    probabilities = {} if told.probabilities is None else {"probabilities": told.probabilities}
    return msgspec.json.encode({"prediction": told.prediction, **probabilities})


def test_a_regression() -> None:
    """Tells its value, and nothing of classes."""
    model, explainer = model_of(LinearRegression().fit(DIABETES, PROGRESS), DIABETES[:3])
    row = tuple(DIABETES[5].tolist())
    told = document(model, explainer, row, 7)
    assert answered(told) == model.answer(row, False)
    assert (told.method, told.explains, told.link, told.generation) == ("linear", "value", "identity", 7)
    assert (told.path, told.trees, told.leaves, told.probabilities) == (None, None, None, None)
    (output,) = told.outputs
    assert output.output == "value"
    assert output.sum == pytest.approx(told.prediction)
    assert _lines(told)[2] == "what each feature added to the value:"


def test_a_regression_with_a_link() -> None:
    """Tells the margin, whose power is the value."""
    model, explainer = model_of(PoissonRegressor().fit(DIABETES, PROGRESS), DIABETES[:3])
    told = document(model, explainer, tuple(DIABETES[5].tolist()))
    assert (told.explains, told.link) == ("margin", "exp")
    assert np.exp(told.outputs[0].sum) == pytest.approx(told.prediction)


def test_labels_that_are_no_text() -> None:
    """Keep their type in the prediction; outputs and probabilities are called by their text."""
    model, explainer = model_of(LogisticRegression().fit(IRIS, TWO), IRIS[:3])
    row = tuple(IRIS[100].tolist())
    told = document(model, explainer, row)
    assert told.prediction is True
    assert answered(told) == model.answer(row, True)
    assert [output.output for output in told.outputs] == ["true"]
    assert (told.explains, told.link) == ("margin", "logistic")


def test_labels_only() -> None:
    """A score, and no probabilities; where the score overflows there is nothing to tell."""
    model, explainer = model_of(RidgeClassifier(alpha=1e-6).fit(IRIS / 100, TWO), IRIS[:3])
    told = document(model, explainer, tuple(IRIS[100].tolist()))
    assert (told.explains, told.link, told.probabilities) == ("score", "identity", None)
    assert _lines(told)[0] == "asked@1 answers true"
    with pytest.raises(InvalidValues, match="not finite"):
        document(model, explainer, (1e308, -1e308, 1e308, 1e308))


def test_a_model_that_always_says_the_same() -> None:
    """Has no tree, no path, and contributions of zero."""
    model, explainer = model_of(DecisionTreeClassifier().fit(IRIS, np.zeros(150, int)), IRIS[:3])
    told = document(model, explainer, tuple(IRIS[0].tolist()))
    assert (told.trees, told.leaves, told.path) == (0, [], None)
    (output,) = told.outputs
    assert (output.base, output.sum, set(output.contributions.values())) == (1.0, 1.0, {0.0})


def test_every_leaf_is_told_where_there_are_few() -> None:
    """Together they add up to the probabilities."""
    model, explainer = model_of(
        RandomForestClassifier(9, max_depth=2, random_state=0).fit(IRIS, TWO), IRIS[:3]
    )
    told = document(model, explainer, tuple(IRIS[60].tolist()))
    assert told.leaves is not None
    assert told.probabilities is not None
    for label, probability in told.probabilities.items():
        total = sum(leaf.adds.get(label, 0.0) for leaf in told.leaves)
        assert total == pytest.approx(probability, abs=1e-12)
