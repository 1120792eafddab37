"""Contributions of trees: as the definition has them, subset by subset, and as the trainers have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import DMatrix, XGBClassifier, XGBRegressor

from server.errors import NotExplainable
from server.explanation import shapley
from server.explanation.shapley import points
from tests.convert.proof import around, punched
from tests.server.explanation.asked import (
    DIABETES,
    IRIS,
    PROGRESS,
    SPECIES,
    Asked,
    Matrix,
    asked,
    by_definition,
)

TWO = (SPECIES > 0).astype(int)


def contributions(found: Asked, rows: Matrix) -> Matrix:
    """``(rows, features, outputs)``, each row held against what is served."""
    return np.array([found.explain(row).contributions for row in rows])


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(4, max_depth=6, random_state=0),
        DecisionTreeRegressor(max_depth=6, random_state=0),
        ExtraTreesRegressor(3, max_depth=7, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_get_what_the_definition_says(model: Any) -> None:
    """Every subset of the features, on data, beside thresholds, with missing values; to 1e-12."""
    model.fit(punched(IRIS), SPECIES)
    rng = np.random.default_rng(1)
    rows = around(model, IRIS, 20)
    rows = punched(rows[rng.integers(0, len(rows), 15)], 0.1)
    trees = [member.tree_ for member in getattr(model, "estimators_", [model])]
    expected = np.array([by_definition(trees, row, 4) for row in rows])
    assert np.abs(contributions(asked(model), rows) - expected).max() <= 1e-12


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 9), st.integers(0, 2**31 - 1), st.booleans())
def test_any_small_forest_gets_what_the_definition_says(
    features: int, classes: int, depth: int, seed: int, weighted: bool
) -> None:
    """One feature, one class, one leaf, sample weights, features that come up again and again on a path."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(40, features)).round(1)
    weights = rng.uniform(0.1, 3, 40) if weighted else None
    model = RandomForestClassifier(2, max_depth=depth, random_state=seed)
    model.fit(table, rng.integers(0, classes, 40), weights)
    found = asked(model)
    trees = [member.tree_ for member in model.estimators_]
    for row in table[:2]:
        expected = by_definition(trees, row, features)
        assert np.abs(found.explain(row).contributions - expected).max() <= 1e-12


@pytest.mark.parametrize(
    "model",
    [
        XGBClassifier(n_estimators=12, max_depth=4),
        XGBClassifier(n_estimators=8, objective="multi:softmax"),
        XGBRegressor(n_estimators=30, max_depth=5),
        XGBRegressor(n_estimators=10, objective="count:poisson"),
        XGBClassifier(n_estimators=8, base_score=0.3),
    ],
    ids=lambda model: f"{model.objective} {model.base_score}",
)
def test_xgboost_says_the_same(model: Any) -> None:
    """``pred_contribs`` and its bias, which are float32: within 1e-4 of the largest number, missing values
    among the rows."""
    table, answers = (DIABETES, PROGRESS) if isinstance(model, XGBRegressor) else (IRIS, SPECIES)
    answers = TWO if model.base_score else answers
    model.set_params(n_jobs=1).fit(punched(table), answers)
    rows = punched(around(model, table, 20)[::9][:60], seed=2)
    theirs = model.get_booster().predict(DMatrix(rows), pred_contribs=True).astype(np.float64)
    theirs = theirs.reshape(len(rows), -1, rows.shape[1] + 1)
    found = asked(model)
    mine = contributions(found, rows)
    near(mine, np.moveaxis(theirs[:, :, :-1], 1, 2), 1e-4)
    near(found.explain(rows[0]).base, theirs[0, :, -1], 1e-4)


@pytest.mark.parametrize(
    "model",
    [
        LGBMClassifier(n_estimators=10, num_leaves=7),
        LGBMClassifier(n_estimators=10, num_leaves=7, boosting_type="dart", drop_rate=0.5),
        LGBMRegressor(n_estimators=20, num_leaves=15),
        LGBMRegressor(n_estimators=10, objective="poisson"),
        LGBMRegressor(n_estimators=10, zero_as_missing=True, min_data_per_group=1, cat_smooth=1),
    ],
    ids=lambda model: (
        f"{type(model).__name__} {model.objective} {model.boosting_type} {len(model.get_params())}"
    ),
)
def test_lightgbm_says_the_same(model: Any) -> None:
    """``pred_contrib``, float64: within 1e-9 of the largest number; categories and missing values too."""
    model.set_params(verbose=-1, n_jobs=1)
    table, answers = (DIABETES, PROGRESS) if isinstance(model, LGBMRegressor) else (IRIS, SPECIES)
    categorical = "min_data_per_group" in model.get_params()
    if categorical:
        table = np.column_stack([table[:, 0], np.arange(len(table)) % 7, table[:, 2:]])
        answers = answers + 100 * np.isin(table[:, 1], [2, 5])
    model.fit(punched(table), answers, categorical_feature=[1] if categorical else "auto")
    rows = punched(np.concatenate([table[::20], table[::25] * 1.1]), seed=2)
    theirs = np.asarray(model.predict(rows, pred_contrib=True)).reshape(len(rows), -1, rows.shape[1] + 1)
    found = asked(model)
    near(contributions(found, rows), np.moveaxis(theirs[:, :, :-1], 1, 2), 1e-9)
    near(found.explain(rows[0]).base, theirs[0, :, -1], 1e-9)


def test_two_classes_of_lightgbm_and_a_sigmoid() -> None:
    """The graph adds up with the other sign and goes on times the sigmoid's factor; told is the margin."""
    model = LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1, sigmoid=2.0).fit(IRIS, TWO)
    theirs = np.asarray(model.predict(IRIS[::10], pred_contrib=True))
    near(contributions(asked(model), IRIS[::10])[:, :, 0], theirs[:, :-1], 1e-9)


def near(mine: Matrix, theirs: Matrix, share: float) -> None:
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= share * max(1, np.abs(theirs).max())


def test_gradient_boosting_adds_up() -> None:
    """The margin is the trainer's decision; the base is that of its trees."""
    model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(IRIS, TWO)
    found = asked(model)
    sums = np.array([found.explain(row).sums[0] for row in IRIS])
    assert np.abs(sums - model.decision_function(IRIS)).max() <= 1e-12


def test_histogram_boosting_with_categories_adds_up() -> None:
    """A question about a category is asked of the feature itself, beside its own thresholds."""
    table = np.column_stack([DIABETES[:, 0], np.arange(len(DIABETES)) % 9, DIABETES[:, 2:4]])
    target = PROGRESS + 100 * np.isin(table[:, 1], [2, 5, 7])
    model = HistGradientBoostingRegressor(max_iter=12, categorical_features=[1], random_state=0)
    model.fit(punched(table), target)
    found = asked(model)
    rows = punched(table[::11], seed=3)
    told = contributions(found, rows)[:, :, 0]
    bases = found.explain(rows[0]).base
    assert np.abs(told.sum(axis=1) + bases - model.predict(rows)).max() <= 1e-9 * np.abs(PROGRESS).max()
    assert np.abs(told[:, 1]).max() > 10


def test_many_features_on_a_path() -> None:
    """Sixty of them: what TreeSHAP takes apart again is only multiplied, and adds up to the last digits."""
    depth = 60
    one, share = np.arange(depth)[None, :] % 2 == 0, np.full((1, depth), 0.75)
    value = shapley._shapley(one, share)
    expected = float(one.all()) - 0.75**depth
    assert abs(value.sum() - expected) <= 1e-15
    assert (value[one] > 0).all()
    assert (value[~one] < 0).all()
    assert [points(m) for m in (1, 2, 3, 60)] == [1, 1, 2, 30]


def test_a_wrong_quadrature_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One point fewer than is exact misses the definition."""
    model = DecisionTreeClassifier(random_state=0).fit(IRIS, SPECIES)
    monkeypatch.setattr(shapley, "points", lambda features: max(1, (features + 1) // 2 - 1))
    expected = by_definition([model.tree_], IRIS[77], 4)
    mine = asked(model).explainer.explain(tuple(IRIS[77].tolist())).contributions
    assert np.abs(mine - expected).max() > 1e-6


def test_more_than_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told before any of it is done."""
    model = DecisionTreeClassifier(random_state=0).fit(IRIS, SPECIES)
    monkeypatch.setattr(shapley, "MAX_CELLS", 10)
    with pytest.raises(NotExplainable, match=r"leaves, up to \d splits deep, are more"):
        asked(model)
