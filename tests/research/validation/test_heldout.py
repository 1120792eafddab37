"""Held-out answers are of models that did not see the row, and of no other."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from research.validation.folds import k_fold, leave_one_out
from research.validation.heldout import held_out, nested, out_of_bag

X, Y = make_classification(80, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
Y = Y.astype(np.int64)


def test_is_scikit_learns_cross_validation() -> None:
    """Answers and probabilities, row by row."""
    folds = k_fold(Y, 4, 0, True)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    found = held_out(tree, X, Y, folds).by_row()
    assert found.rows.tolist() == list(range(80))
    assert found.answers.tolist() == cross_val_predict(tree, X, Y, cv=folds).tolist()
    assert found.probabilities is not None
    assert np.array_equal(
        found.probabilities, cross_val_predict(tree, X, Y, cv=folds, method="predict_proba")
    )
    assert [np.flatnonzero(found.folds == number).tolist() for number in range(4)] == [
        sorted(test.tolist()) for _, test in folds
    ]


def test_nobody_is_asked_about_what_he_saw() -> None:
    """The nearest neighbour of a seen row is itself; with labels by chance, only cheating is right."""
    y = np.random.default_rng(0).integers(0, 2, 80)
    nearest = KNeighborsClassifier(1)
    assert nearest.fit(X, y).score(X, y) == 1.0
    assert held_out(nearest, X, y, leave_one_out(80)).right.mean() < 0.7


def test_a_class_that_a_fold_lacks() -> None:
    """Its probability is nought, and the columns stay in their order."""
    y = np.array([1] * 5 + [2] * 5 + [0])
    found = held_out(DecisionTreeClassifier(random_state=0), X[:11], y, leave_one_out(11)).by_row()
    assert found.probabilities is not None
    assert found.probabilities.shape == (11, 3)
    assert found.probabilities[10, 0] == 0.0
    assert not found.right[10]
    assert np.allclose(found.probabilities.sum(axis=1), 1)


def test_values_of_a_regression() -> None:
    """Have no probabilities."""
    rows, values = make_regression(40, 3, random_state=0)
    folds = k_fold(values, 4, 0, False)
    tree = DecisionTreeRegressor(random_state=0)
    found = held_out(tree, rows, values, folds).by_row()
    assert found.probabilities is None
    assert found.answers.tolist() == cross_val_predict(tree, rows, values, cv=folds).tolist()


def test_nested_search_is_a_search_in_every_fold() -> None:
    """The answers are those of scikit-learn's search fitted on each outer part alone."""
    outer = k_fold(Y, 3, 0, True)
    tree, grid = DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 4]}
    found, picked = nested(tree, grid, X, Y, outer, 3, 7)
    assert len(picked) == 3
    for number, (train, test) in enumerate(outer):
        search = GridSearchCV(tree, grid, cv=k_fold(Y[train], 3, 7, True)).fit(X[train], Y[train])
        assert picked[number] == search.best_params_
        asked = found.folds == number
        assert found.answers[asked].tolist() == search.predict(X[test]).tolist()
    rows, values = make_regression(30, 3, random_state=0)
    plain, _ = nested(
        DecisionTreeRegressor(random_state=0), grid, rows, values, k_fold(values, 3, 0, False), 2, 0
    )
    assert plain.probabilities is None


def test_nested_search_sees_no_outer_row() -> None:
    """With labels by chance a search that is judged on its own folds looks better than it is."""
    draws = np.random.default_rng(3)
    rows, y = draws.random((40, 20)), draws.integers(0, 2, 40)
    grid = {"random_state": list(range(12))}
    tree = DecisionTreeClassifier(max_features=1, max_depth=1)
    flattered = GridSearchCV(tree, grid, cv=k_fold(y, 4, 0, True)).fit(rows, y).best_score_
    honest, _ = nested(tree, grid, rows, y, k_fold(y, 4, 0, True), 4, 0)
    assert flattered > 0.55
    assert honest.right.mean() < flattered - 0.05


def test_out_of_bag_is_the_forests_own() -> None:
    """The score that scikit-learn gives."""
    forest = RandomForestClassifier(50, oob_score=True, random_state=0).fit(X, Y)
    found = out_of_bag(RandomForestClassifier(50, random_state=0), X, Y)
    assert found.right.mean() == pytest.approx(forest.oob_score_)
    rows, values = make_regression(60, 3, random_state=0)
    regression = out_of_bag(RandomForestRegressor(30, random_state=0), rows, values)
    fitted = RandomForestRegressor(30, random_state=0, oob_score=True).fit(rows, values)
    assert regression.answers.tolist() == fitted.oob_prediction_.tolist()


def test_rows_that_every_tree_saw_are_left_out() -> None:
    """Of two trees each row is in both samples with a chance of 0.4; such rows have no answer."""
    forest = RandomForestClassifier(2, random_state=0)
    found = out_of_bag(forest, X, Y)
    drawn = forest.fit(X, Y).estimators_samples_
    assert found.rows.tolist() == [row for row in range(80) if not all(row in each for each in drawn)]
    assert 0 < len(found.rows) < 80
