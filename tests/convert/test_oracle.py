"""The trained model is asked as it is, and only when it can be served."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.errors import SourceError
from convert.oracle import Oracle

X, y = load_iris(return_X_y=True)


class Silent(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Fitted, but does not say on how many features."""

    def fit(self, rows: Any, labels: Any) -> Any:
        self.classes_ = np.unique(labels)
        return self

    def predict(self, rows: Any) -> Any:
        return rows


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (KMeans(2).fit(X), "KMeans is neither a classifier nor a regressor"),
        (StandardScaler().fit(X), "StandardScaler is neither a classifier nor a regressor"),
        ({"not": "a model"}, "dict is neither a classifier nor a regressor"),
        (LogisticRegression(), "this LogisticRegression is not fitted; call fit before saving it"),
        (XGBClassifier(), "this XGBClassifier is not fitted"),
        (DecisionTreeClassifier().fit(X, np.stack([y, y], 1)), "this DecisionTreeClassifier has 2 outputs"),
        (Silent().fit(X, y), "this Silent does not say how many features"),
    ],
)
def test_what_cannot_be_served_is_refused(estimator: Any, reason: str) -> None:
    """Anything but a fitted predictor with one output is refused, and the text says what it is."""
    with pytest.raises(SourceError, match=reason):
        Oracle(estimator)


def test_labels_become_indices() -> None:
    """Whatever the labels are, the oracle answers their place in the list of classes."""
    names = np.array(["setosa", "versicolor", "virginica"])
    oracle = Oracle(DecisionTreeClassifier(random_state=0).fit(X, names[y]))
    assert oracle.classes == ("setosa", "versicolor", "virginica")
    assert oracle.labels(X).tolist() == y.tolist()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["no", "yes"])[y % 2], ("no", "yes")),
        (y % 2 == 1, (False, True)),
        (y % 2 + 5, (5, 6)),
        ((y % 2).astype(float), (0.0, 1.0)),
    ],
    ids=["words", "booleans", "integers", "floats"],
)
def test_classes_keep_their_type(labels: Any, classes: tuple[Any, ...]) -> None:
    """They are what the trainer calls them, as plain values."""
    oracle = Oracle(DecisionTreeClassifier(random_state=0).fit(X, labels))
    assert oracle.classes == classes
    assert [type(label) for label in oracle.classes] == [type(label) for label in classes]
    assert oracle.labels(X).tolist() == (y % 2).tolist()


def test_what_there_is_to_answer() -> None:
    """A regression has values, a classifier without probabilities labels only."""
    line, ridge = Oracle(LinearRegression().fit(X, y)), Oracle(RidgeClassifier().fit(X, y))
    assert (line.task, line.labels(X[:2]).shape, line.numbers(X[:2]).shape) == ("regression", (0,), (2, 1))
    assert (ridge.task, ridge.labels(X[:2]).shape, ridge.numbers(X[:2]).shape) == (
        "classification",
        (2,),
        (2, 0),
    )


def test_what_a_model_accepts_is_tried() -> None:
    """A tree answers rows with missing values, a linear model refuses them."""
    hole = np.array([[np.nan, 1.0, 1.0, 1.0]])
    tree, line = DecisionTreeClassifier().fit(X, y), LinearRegression().fit(X, y)
    assert [Oracle(model).accepts(hole) for model in (tree, line)] == [True, False]
    assert Oracle(line).accepts(X)


def test_one_thread_whatever_was_asked() -> None:
    """The oracle's own copy adds up on one thread; the caller's estimator keeps its setting."""
    forest = RandomForestClassifier(3, n_jobs=2).fit(X, y)
    assert Oracle(forest).estimator.n_jobs == 1
    assert forest.n_jobs == 2


def test_named_columns_are_known_and_not_needed() -> None:
    """Models fitted on named columns say their names, and answer plain rows without a warning."""
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    tree.feature_names_in_ = np.array(["a", "b", "c", "d"], object)
    boosted = XGBClassifier(n_estimators=2, n_jobs=1).fit(X, y)
    boosted.get_booster().feature_names = ["a", "b", "c", "d"]
    for estimator in (tree, boosted):
        oracle = Oracle(estimator)
        assert oracle.names == ("a", "b", "c", "d")
        assert oracle.labels(X[:5]).tolist() == [0] * 5


def test_a_search_gives_its_best_estimator() -> None:
    """A finished search stands for the estimator that it found."""
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=3).fit(X, y)
    assert Oracle(search).estimator.max_depth == search.best_params_["max_depth"]
