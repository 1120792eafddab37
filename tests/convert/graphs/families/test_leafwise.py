"""LightGBM: every label, and every bit but for those behind ``exp``."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import Booster, Dataset, LGBMClassifier, LGBMRegressor, early_stopping, train
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris

from convert.errors import SourceError, Unconvertible
from convert.graphs.families.leaftext import ZERO
from convert.graphs.families.leafwise import _least
from convert.graphs.targets import target
from convert.sources.leafmodel import LeafClassifier, LeafRegressor, from_booster, from_text
from tests.convert.proof import around, prove, punched

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
QUIET: dict[str, Any] = {"n_estimators": 12, "verbose": -1, "n_jobs": 1, "min_child_samples": 5}
FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one tree": {"n_estimators": 1},
    "one leaf": {"min_child_samples": 1000},
    "dart": {"boosting_type": "dart"},
    "forest": FOREST,
    "goss": {"data_sample_strategy": "goss"},
    "linear in name only": {"linear_tree": False, "extra_trees": True},
}
REGRESSORS: dict[str, dict[str, Any]] = {
    **{name: {"objective": name} for name in ("regression", "l1", "huber", "fair", "quantile", "mape")},
    **{name: {"objective": name} for name in ("poisson", "gamma", "tweedie")},
    "roots": {"reg_sqrt": True},
    "roots, l1": {"reg_sqrt": True, "objective": "l1"},
    "dart": {"boosting_type": "dart"},
    "forest": FOREST,
    "goss": {"data_sample_strategy": "goss"},
}


def with_infinities(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows, with holes, zeros and infinities in place of some numbers."""
    parts = [rows, punched(rows)]
    for seed, value in enumerate(
        (np.inf, -np.inf, 0.0, -0.0, ZERO, -ZERO, 2 * ZERO, 1e-40, 1e300, 1.1e300), 1
    ):
        parts.append(np.where(np.isnan(punched(rows[::4], seed=seed)), value, rows[::4]))
    return np.concatenate(parts)


@pytest.mark.parametrize("options", CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_classifiers_are_exact(options: dict[str, Any], classes: int, holes: float) -> None:
    """Beside every threshold too, and without values, whether or not some were missing in training."""
    model = LGBMClassifier(**{**QUIET, **options})
    model.fit(punched(IRIS, holes), SPECIES.clip(max=classes - 1))
    assert prove(model, with_infinities(around(model, IRIS)))[1:3] == (0, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"sigmoid": 1.7},
        {"is_unbalance": True},
        {"class_weight": "balanced"},
        {"objective": "cross_entropy"},
        {"objective": "multiclass", "num_class": 2},
    ],
    ids=str,
)
def test_two_classes_are_exact(options: dict[str, Any]) -> None:
    """With each objective that answers with a probability."""
    model = LGBMClassifier(**{**QUIET, **options}).fit(IRIS, SPECIES == 1)
    assert prove(model, with_infinities(around(model, IRIS)))[1:3] == (0, 0)


def test_one_against_the_others_is_exact() -> None:
    """Each class has a probability of its own; they do not add up to 1."""
    model = LGBMClassifier(objective="multiclassova", sigmoid=0.7, **QUIET).fit(IRIS, SPECIES)
    assert prove(model, with_infinities(around(model, IRIS)))[1:3] == (0, 0)


@pytest.mark.parametrize("options", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors_are_exact(options: dict[str, Any]) -> None:
    """Only a logarithmic link leaves the last bit open."""
    model = LGBMRegressor(**{**QUIET, **options}).fit(punched(DIABETES, 0.1), PROGRESS)
    logarithmic = options.get("objective") in ("poisson", "gamma", "tweedie")
    assert (target(model).ulp > 0) == logarithmic
    assert prove(model, with_infinities(around(model, DIABETES)))[1:3] == (0, 0)


def test_probabilities_as_values_are_exact() -> None:
    """A regressor on labels between 0 and 1."""
    share = (PROGRESS - PROGRESS.min()) / np.ptp(PROGRESS)
    model = LGBMRegressor(objective="cross_entropy", **QUIET).fit(DIABETES, share)
    assert prove(model, around(model, DIABETES))[1:3] == (0, 0)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_what_is_missing_is_told_as_the_library_does(zero: bool, used: bool, holes: float) -> None:
    """Zero may count as missing, what is missing as zero, and what is next to zero counts as zero."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random(DIABETES.shape) < 0.3, 0.0, DIABETES)
    model = LGBMRegressor(zero_as_missing=zero, use_missing=used, **QUIET).fit(punched(X, holes), PROGRESS)
    assert prove(model, with_infinities(around(model, X)))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("zero", [False, True])
def test_categories_are_exact(zero: bool) -> None:
    """Only whole parts count, everything below -1 and everything unknown goes right."""
    rng = np.random.default_rng(0)
    X = np.abs(punched(rng.normal(size=(500, 3)), 0.1))
    X[:, 1] = rng.integers(0, 90, 500)
    y = X[:, 1].astype(int) * 7 % 5 % 3
    model = LGBMClassifier(min_data_per_group=5, cat_smooth=1, zero_as_missing=zero, **QUIET)
    model.fit(X, y, categorical_feature=[1])
    assert "cat_threshold" in model.booster_.model_to_string()
    rows = around(model, X)
    odd = rows[:1000].copy()
    odd[:, 1] = rng.choice([-2, -1, -0.999, -0.0, 0.5, 89.999, 90, 91, 2.0**31, -(2.0**31), 1e19], 1000)
    assert prove(model, with_infinities(np.concatenate([rows, odd])))[1:3] == (0, 0)


def test_the_best_iteration_is_served() -> None:
    """As the trainer does after early stopping."""
    model = LGBMClassifier(**{**QUIET, "n_estimators": 200})
    checked = [(IRIS[1::2], SPECIES[1::2])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions want the parts of eval_set one by one
        model.fit(IRIS[::2], SPECIES[::2], eval_set=checked, callbacks=[early_stopping(2, verbose=False)])
    assert 0 < model.best_iteration_ < 200
    assert prove(model, around(model, IRIS))[1:3] == (0, 0)


def test_names_of_columns_do_not_matter() -> None:
    """A frame goes in by place."""
    frame = pandas.DataFrame(IRIS, columns=["a b", "c", "d", "e"])
    model = LGBMClassifier(**QUIET).fit(frame, np.array(["x", "y", "z"])[SPECIES])
    assert prove(model, around(model, IRIS))[1:3] == (0, 0)


def test_the_smallest_sum_of_the_second_class() -> None:
    """Everything from it on gives more than one half, everything below one half at most."""
    least = _least()
    assert 0 < least < 1e-15
    for x, second in ((least, True), (np.nextafter(least, 0), False), (np.nextafter(least, 1), True)):
        probability = 1 / (1 + math.exp(-x))
        assert (probability > 1 - probability) == second


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (LGBMRegressor(linear_tree=True, **QUIET), "linear models.*train with linear_tree=False"),
        (LGBMRegressor(objective=lambda y, p: (p - y, np.ones_like(y)), **QUIET), "custom objective"),
        (LGBMRegressor(objective="cross_entropy_lambda", **QUIET), "objective 'cross_entropy_lambda'; known"),
        (LGBMRegressor(objective="multiclass", num_class=2, **QUIET), "objective 'multiclass'"),
        (LGBMClassifier(objective="regression", **QUIET), "LGBMClassifier with the LightGBM objective 'regr"),
        (LGBMClassifier(pred_early_stop=True, **QUIET), "pred_early_stop to False"),
    ],
)
def test_what_cannot_be_exact_is_refused(model: Any, told: str) -> None:
    """The text says what to do."""
    model.fit(IRIS, SPECIES == 1)
    with pytest.raises(Unconvertible, match=told):
        prove(model, IRIS)


def test_one_class_is_refused() -> None:
    """The library takes it, and answers with probabilities of two."""
    model = LGBMClassifier(**QUIET).fit(IRIS, np.zeros(len(IRIS)))
    with pytest.raises(Unconvertible, match=r"knows 1 classes.*two or more"):
        prove(model, IRIS)


def test_columns_of_pandas_categories_are_refused() -> None:
    """Their codes are in the model, and no plain row can be asked about."""
    frame = pandas.DataFrame({"size": IRIS[:, 0], "kind": pandas.Series(SPECIES).map(str).astype("category")})
    model = LGBMClassifier(**QUIET).fit(frame, SPECIES)
    with pytest.raises(Unconvertible, match="pandas categories in training; fit on their codes"):
        prove(model, IRIS[:, :2])


@pytest.mark.parametrize(
    ("objective", "kind", "classes"),
    [("binary", LeafClassifier, 2), ("multiclass", LeafClassifier, 3), ("huber", LeafRegressor, 0)],
)
def test_a_text_file_is_a_model(objective: str, kind: type[Any], classes: int) -> None:
    """It is served as LightGBM's own estimators are, and may be pickled."""
    params = {"objective": objective, "verbose": -1, "num_threads": 1}
    params |= {"num_class": 3} if objective == "multiclass" else {}
    booster = train(params, Dataset(IRIS, SPECIES.clip(max=max(1, classes - 1))), 8)
    model = pickle.loads(pickle.dumps(from_text(booster.model_to_string())))
    assert type(model) is kind
    assert (is_classifier(model), is_regressor(model)) == (classes > 0, classes == 0)
    assert not hasattr(model, "feature_names_in_")
    if classes:
        assert model.classes_.tolist() == list(range(classes))
    assert (model.n_features_in_, list(model.get_params())) == (4, ["booster"])
    assert prove(model, around(model, IRIS))[1:3] == (0, 0)
    with pytest.raises(TypeError, match="trained already"):
        model.fit(IRIS, SPECIES)


def test_a_booster_is_cut_off_at_its_best_iteration() -> None:
    """And keeps the names of its features."""
    names = ["a", "b", "c", "d"]
    data = Dataset(IRIS[::2], SPECIES[::2] == 1, feature_name=names)
    checked = data.create_valid(IRIS[1::2], SPECIES[1::2] == 1)
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster: Booster = train(
        params, data, 300, [checked], callbacks=[early_stopping(2, verbose=False)], keep_training_booster=True
    )
    model = from_booster(booster)
    assert model.booster_.num_trees() == booster.best_iteration < booster.num_trees()
    assert model.feature_names_in_.tolist() == names
    assert prove(model, around(model, IRIS))[1:3] == (0, 0)


def test_text_that_is_no_served_model_is_refused() -> None:
    """Rankings, custom objectives, damaged files, and files of something else."""
    ranks = train(
        {"objective": "lambdarank", "verbose": -1, "num_threads": 1},
        Dataset(IRIS, SPECIES, group=[50] * 3),
        2,
    ).model_to_string()
    with pytest.raises(SourceError, match="lambdarank ranks rows"):
        from_text(ranks)
    with pytest.raises(Unconvertible, match="custom objective"):
        from_text(ranks.replace("objective=lambdarank\n", ""))
    with pytest.raises(SourceError, match="no text file of a LightGBM model"):
        from_text("{}")


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 6),
    st.integers(2, 30),
    st.integers(2, 8),
    st.integers(0, 2**31 - 1),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_anything_small_is_exact(
    trees: int, classes: int, leaves: int, seed: int, weighted: bool, categorical: bool, zero: bool
) -> None:
    """One tree, constant features, sample weights, holes, categories, many classes: nothing is special."""
    rng = np.random.default_rng(seed)
    X = punched(rng.normal(size=(90, 4)).round(1), 0.1, seed)
    X[:, 2] = 1.0
    X[:, 3] = rng.integers(0, 7, 90)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, 90 - classes)])
    weights = rng.uniform(0.1, 3, 90) if weighted else None
    options = {**QUIET, "n_estimators": trees, "num_leaves": leaves, "zero_as_missing": zero}
    options |= {"min_data_per_group": 5, "min_data_in_bin": 1}
    codes: Any = [3] if categorical else "auto"
    model = LGBMClassifier(**options).fit(X, y, weights, categorical_feature=codes)
    assert prove(model, punched(around(model, X, 300, seed), 0.1))[1:3] == (0, 0)
    values = LGBMRegressor(**options).fit(X, y * 1.1, weights, categorical_feature=codes)
    assert prove(values, punched(around(values, X, 300, seed), 0.1))[1:] == (0, 0, 0.0)
