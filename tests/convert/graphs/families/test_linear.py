"""Linear models and discriminant analysis: the trainer's labels, numbers within the bound, any batch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from convert.errors import Unconvertible
from convert.graphs.families import linear
from convert.graphs.families.habits import no_sigmoid_is_divided
from convert.graphs.families.linear import LINKED, REGRESSORS
from convert.graphs.graph import build
from convert.oracle import Oracle
from tests.convert.graphs.families.numeric import EVEN, TABLES, Matrix, batch_changes, extreme
from tests.convert.proof import around, prove, signature_of


def fitted(model: Any, data: Matrix, answers: Any) -> Any:
    """Some do not converge, some are deprecated, some find no such penalty; none of that matters here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(data, answers)


# Until 1.8 took it away, an option chose between one softmax and one sigmoid per class.
CHOICES: list[dict[str, Any]] = [
    {"multi_class": "ovr"},
    {"multi_class": "multinomial"},
    {"multi_class": "auto", "solver": "liblinear"},
    {"solver": "liblinear"},
]
CLASSIFIERS = [
    LogisticRegression(max_iter=1000),
    *[
        LogisticRegression(**choice)
        for choice in CHOICES
        if "multi_class" in LogisticRegression().get_params()
    ],
    LogisticRegression(C=100, max_iter=20),
    linear_model.LogisticRegressionCV(Cs=2, max_iter=50),
    linear_model.RidgeClassifierCV(),
    RidgeClassifier(),
    linear_model.Perceptron(),
    LinearSVC(),
    *[SGDClassifier(loss=loss, random_state=0) for loss in ("hinge", "log_loss", "modified_huber")],
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(reg_param=0.1),
]
SINGLE = [kind for kind in REGRESSORS if not kind.__name__.startswith("MultiTask")]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_classifiers(model: Any, table: str) -> None:
    """Far outside as well."""
    data, answers = EVEN[table]
    model = fitted(model, data, answers)
    rows = np.concatenate([around(model, data), extreme(data)])
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:200]) == 0


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")  # copied, it warns of its end
@pytest.mark.parametrize("kind", [*SINGLE, *LINKED], ids=lambda kind: kind.__name__)
def test_regressors(kind: type[Any]) -> None:
    """Values too."""
    data, answers = EVEN["diabetes"]
    model = fitted(kind(), data, answers)
    rows = around(model, data)
    assert prove(model, rows)[1:3] == (0, 0)
    assert prove(model, extreme(data))[1:3] == (0, 0)
    assert batch_changes(model, rows[:200]) == 0


def test_raw_features() -> None:
    """Numbers of very different sizes."""
    data, answers = TABLES["wine"]
    for model in (LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis()):
        fitted(model, data, answers)
        assert prove(model, around(model, data))[1:3] == (0, 0)


def test_the_estimator_inside_ransac() -> None:
    """It is what answers."""
    data, answers = EVEN["diabetes"]
    model = linear_model.RANSACRegressor(random_state=0).fit(data, answers)
    assert prove(model, around(model, data))[1:3] == (0, 0)


def test_the_logarithmic_link_of_tweedie() -> None:
    """``link='auto'`` takes the logarithm for a power above 0."""
    data, answers = EVEN["diabetes"]
    model = TweedieRegressor(power=1.5).fit(data, answers)
    assert prove(model, around(model, data))[1:3] == (0, 0)


def test_rare_classes_keep_small_probabilities() -> None:
    """The small one of two is right to a few units in its own last place, not only to one of 1."""
    data, answers = EVEN["cancer"]
    model = LogisticRegression(max_iter=1000).fit(data, answers)
    rows = data[(model.decision_function(data) < -15) & (model.decision_function(data) > -40)]
    assert len(rows) > 5
    found = prove(model, rows)
    assert found.labels_wrong == found.numbers_wrong == 0
    assert found.worst < 1e-15


def test_sparsified_coefficients() -> None:
    """A matrix of mostly nothing is the same matrix."""
    data, answers = EVEN["iris"]
    model = SGDClassifier(loss="log_loss", random_state=0).fit(data, answers).sparsify()
    assert prove(model, data)[1:3] == (0, 0)


def test_sigmoids_divided_without_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scikit-learn up to 1.8 does: no other number, where there is anything to divide by."""
    data, answers = EVEN["iris"]
    model = SGDClassifier(loss="log_loss", random_state=0).fit(data, answers)
    checked = build(Oracle(model), "m", signature_of(Oracle(model)))
    older = not no_sigmoid_is_divided()
    monkeypatch.setattr(linear, "no_sigmoid_is_divided", lambda: older)
    assert prove(model, around(model, data))[1:3] == (0, 0)
    assert build(Oracle(model), "m", signature_of(Oracle(model))) != checked


def test_several_outputs_are_refused() -> None:
    """With what to do instead."""
    data, answers = EVEN["diabetes"]
    model = LinearRegression().fit(data, np.column_stack([answers, -answers]))
    with pytest.raises(Unconvertible, match=r"2 outputs.*one model per output"):
        prove(model, data)


def test_several_marks_are_refused() -> None:
    """A ridge classifier can mark several classes at once."""
    data, _ = EVEN["iris"]
    marks = (data[:, :3] > 0).astype(np.int64)
    with pytest.raises(Unconvertible, match="several classes at once"):
        prove(RidgeClassifier().fit(data, marks), data)


def test_support_vector_regression_with_a_penalty() -> None:
    """``LinearSVR`` with other settings."""
    data, answers = EVEN["diabetes"]
    model = fitted(LinearSVR(C=10, loss="squared_epsilon_insensitive", dual=True), data, answers)
    assert prove(model, around(model, data))[1:3] == (0, 0)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(1, 9), st.integers(0, 2**31 - 1), st.floats(1e-3, 1e3))
def test_any_small_logistic_regression(classes: int, features: int, seed: int, strength: float) -> None:
    """Any number of classes and features."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(60, features))
    model = fitted(LogisticRegression(C=strength), data, np.arange(60) % classes)
    rows = rng.normal(size=(200, features)) * 2
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:40]) == 0
