"""XGBoost: every label, and numbers to the last bit but one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from convert.errors import Unconvertible
from convert.graphs.families.booster import read
from convert.graphs.graph import build
from convert.oracle import Oracle
from registry.manifest import Dtype
from tests.convert.proof import around, prove, punched, signature_of

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
VERSICOLOR = (SPECIES == 1).astype(int)
SMALL: dict[str, Any] = {"n_estimators": 7, "max_depth": 3, "n_jobs": 1}
TWO_CLASSES = ("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic", "count:poisson")
CLASSES = ("multi:softprob", "multi:softmax")
VALUES = {
    "reg:squarederror": PROGRESS,
    "reg:squaredlogerror": PROGRESS,
    "reg:logistic": PROGRESS / 400,
    "reg:pseudohubererror": PROGRESS,
    "reg:absoluteerror": PROGRESS,
    "reg:quantileerror": PROGRESS,
    "count:poisson": PROGRESS,
    "reg:gamma": PROGRESS,
    "reg:tweedie": PROGRESS,
    "binary:logistic": PROGRESS > 100,
}


def holds(model: Any, data: NDArray[np.float64]) -> None:
    """Whichever input the graph takes, beside every threshold, with holes and without."""
    rows = around(model, data, 500)
    rows = np.concatenate([rows, punched(rows)])
    dtypes: tuple[Dtype, ...] = ("float32", "float64")
    for dtype in dtypes:
        found = prove(model, rows, dtype)
        assert found[1:3] == (0, 0)


@pytest.mark.parametrize("objective", TWO_CLASSES)
def test_two_classes_are_exact(objective: str) -> None:
    """Even where ``predict_proba`` gives margins or expectations."""
    holds(XGBClassifier(objective=objective, **SMALL).fit(IRIS, VERSICOLOR), IRIS)


@pytest.mark.parametrize("objective", CLASSES)
def test_classes_are_exact(objective: str) -> None:
    """With multi:softmax the label is that of the margins, and scipy makes the probabilities."""
    holds(XGBClassifier(objective=objective, **SMALL).fit(IRIS, SPECIES), IRIS)


@pytest.mark.parametrize("objective", VALUES)
def test_values_are_exact(objective: str) -> None:
    """Every objective has its own last step, and its own way from the base score to a margin."""
    alpha = {"quantile_alpha": 0.3} if objective == "reg:quantileerror" else {}
    holds(XGBRegressor(objective=objective, **SMALL, **alpha).fit(DIABETES, VALUES[objective]), DIABETES)


@pytest.mark.parametrize("target", [SPECIES, VERSICOLOR], ids=["three", "two"])
@pytest.mark.parametrize(
    "settings",
    [
        {"booster": "dart", "rate_drop": 0.5},
        {"booster": "gblinear", "max_depth": None},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 5},
        {"tree_method": "exact", "gamma": 2},
        {"gamma": 1e9},
        {"n_estimators": 1},
        {"base_score": 0.2, "max_delta_step": 1},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_boosters_are_exact(target: NDArray[np.int64], settings: dict[str, Any]) -> None:
    """Dropout has a rounding of its own, linear boosters no trees; others prune, or have but one leaf."""
    holds(XGBClassifier(**{**SMALL, **settings}).fit(IRIS, target), IRIS)


def test_a_weighted_class_is_exact() -> None:
    """Its weight is in the leaves and in the base score."""
    holds(XGBClassifier(scale_pos_weight=3, **SMALL).fit(IRIS, VERSICOLOR), IRIS)


@pytest.mark.parametrize(
    "settings", [{"booster": "dart", "rate_drop": 0.5}, {"booster": "gblinear", "max_depth": None}]
)
def test_values_of_other_boosters_are_exact(settings: dict[str, Any]) -> None:
    """The base score of a regression is no small number."""
    holds(XGBRegressor(**{**SMALL, **settings}).fit(DIABETES, PROGRESS), DIABETES)


def test_forests_are_exact() -> None:
    """One round of many trees."""
    holds(XGBRFClassifier(**SMALL).fit(IRIS, SPECIES), IRIS)
    holds(XGBRFRegressor(**SMALL).fit(DIABETES, PROGRESS), DIABETES)


@pytest.mark.parametrize("kind", [{}, {"booster": "dart", "rate_drop": 0.3}, {"num_parallel_tree": 2}])
def test_rounds_after_the_best_are_left_out(kind: dict[str, Any]) -> None:
    """The trainer predicts with the best iteration of an early stop."""
    model = XGBClassifier(n_estimators=40, learning_rate=1, early_stopping_rounds=2, n_jobs=1, **kind)
    model.fit(IRIS[::2], SPECIES[::2], eval_set=[(IRIS[1::2], SPECIES[1::2])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    holds(model, IRIS)


@pytest.mark.parametrize("missing", [-1, 0.1, 0.0])
def test_the_number_that_means_missing_goes_where_nan_goes(missing: float) -> None:
    """It is compared as float32: 0.1 and the float64 next to it are both missing."""
    data = IRIS.copy()
    data[::3, 2] = missing
    model = XGBClassifier(missing=missing, **SMALL).fit(data, SPECIES)
    marked = IRIS.repeat(2, axis=0)
    marked[::2, 2] = missing
    marked[::4, 2] = np.nextafter(missing, 1)
    assert prove(model, marked)[1:3] == (0, 0)
    holds(model, IRIS)


@pytest.mark.parametrize("one_hot", [1, 100])
def test_codes_of_categories_are_exact(one_hot: int) -> None:
    """Codes never seen, fractions of codes, negative, missing and immense ones included."""
    rng = np.random.default_rng(0)
    data = np.column_stack([rng.integers(0, 9, 400), rng.normal(size=400), rng.integers(0, 40, 400)])
    target = (data[:, 0] % 3 == 1) * 2 + data[:, 1] + (data[:, 2] % 5) > 2
    model = XGBClassifier(
        feature_types=["c", "q", "c"], enable_categorical=True, max_cat_to_onehot=one_hot, **SMALL
    ).fit(data, target.astype(int))
    assert read(model).memberships
    rows = rng.uniform(-3, 60, (3_000, 3))
    rows[::2] = rows[::2].round()
    rows[:, 1] /= 20
    rows[:20, 0] = [np.inf, -np.inf, -0.5, -0.0, 2**24, 2**24 - 1, 2**24 + 2, 1e30, -1e30, -1e-30] * 2
    assert prove(model, np.concatenate([rows, punched(rows)]))[1:] == (0, 0, 0.0)
    holds(model, data)


def test_a_scaler_in_front_is_exact() -> None:
    """It scales in float64, and only what comes out is rounded to float32."""
    model = make_pipeline(StandardScaler(), XGBClassifier(**SMALL)).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 20_000), "float64")[1:3] == (0, 0)


@pytest.mark.parametrize("rows", [1, 64, 10_000])
def test_a_batch_of_any_size_gets_the_same_bits(rows: int) -> None:
    """The trainer too works in blocks of rows."""
    model = XGBClassifier(**{**SMALL, "n_estimators": 60}).fit(IRIS, SPECIES)
    assert prove(model, np.resize(around(model, IRIS, 3_000), (rows, 4)))[1:3] == (0, 0)


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softmax"])
def test_a_model_read_from_a_file_gives_the_same_graph(tmp_path: Path, ending: str, objective: str) -> None:
    """Names of columns are kept in the file, and the oracle asks with them."""
    frame = pandas.DataFrame(IRIS, columns=["sepal length", "sepal width", "petal length", "petal width"])
    target = SPECIES if objective.startswith("multi") else VERSICOLOR
    fitted = XGBClassifier(objective=objective, **SMALL).fit(frame, target)
    fitted.save_model(tmp_path / f"model.{ending}")
    loaded = XGBClassifier()
    loaded.load_model(tmp_path / f"model.{ending}")
    graphs = [build(oracle, "same", signature_of(oracle)) for oracle in (Oracle(fitted), Oracle(loaded))]
    assert graphs[0] == graphs[1]
    assert Oracle(loaded).names == tuple(frame.columns)
    holds(loaded, IRIS)


def test_named_columns_get_the_bits_of_an_array() -> None:
    """The trainer answers frames column by column."""
    frame = pandas.DataFrame(IRIS, columns=list("abcd"))
    named, plain = XGBClassifier(**SMALL).fit(frame, SPECIES), XGBClassifier(**SMALL).fit(IRIS, SPECIES)
    rows = around(plain, IRIS)
    assert np.array_equal(Oracle(named).numbers(rows), Oracle(plain).numbers(rows))
    holds(named, IRIS)


def test_certainty_beyond_float32_is_close() -> None:
    """Where the trainer cuts off the exponential, both probabilities are next to nothing."""
    model = XGBClassifier(learning_rate=50, reg_lambda=0, **SMALL).fit(IRIS, VERSICOLOR)
    assert np.abs(model.predict(IRIS, output_margin=True)).max() > 100
    holds(model, IRIS)


def half_the_square(target: NDArray[Any], margin: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A custom objective."""
    return margin - target, np.ones_like(target)


@pytest.mark.parametrize(
    ("model", "target", "reason"),
    [
        (XGBRegressor(objective="survival:cox", **SMALL), PROGRESS, "objective 'survival:cox'"),
        (XGBRegressor(objective="rank:pairwise", **SMALL), VERSICOLOR, "objective 'rank:pairwise'"),
        (XGBRegressor(objective=half_the_square, **SMALL), PROGRESS, "custom objective"),
        (XGBRegressor(objective="multi:softprob", num_class=3, **SMALL), SPECIES, "train an XGBClassifier"),
        (XGBRegressor(**SMALL), np.eye(3)[SPECIES], "has 3 outputs"),
        (XGBRegressor(multi_strategy="multi_output_tree", **SMALL), np.eye(3)[SPECIES], "has 3 outputs"),
        (
            XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.2, 0.8], **SMALL),
            PROGRESS,
            "has 2 outputs",
        ),
        (XGBClassifier(**SMALL), np.eye(3, dtype=int)[SPECIES], "has 3 outputs"),
        (XGBClassifier(objective="multi:softprob", num_class=2, **SMALL), VERSICOLOR, "predicts a matrix"),
        (XGBClassifier(objective="multi:softmax", num_class=3, **SMALL), VERSICOLOR, "2 classes and answers"),
        # with a base score: 3.1 makes one of the mean, which is 0 here, and refuses that itself
        (XGBClassifier(base_score=0.5, **SMALL), 0 * SPECIES, "1 classes and answers"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_has_no_exact_graph_is_refused(model: Any, target: NDArray[Any], reason: str) -> None:
    """With a line that says why."""
    data = DIABETES if len(target) == len(DIABETES) else IRIS
    with pytest.raises(Unconvertible, match=reason):
        prove(model.fit(data, target), data)


def test_pandas_categories_are_refused_by_name() -> None:
    """Their codes differ from frame to frame, and the trained model takes no plain ones."""
    colour = pandas.Categorical(np.array(["red", "green", "blue"])[SPECIES])
    frame = pandas.DataFrame({"length": IRIS[:, 0], "colour": colour})
    model = XGBClassifier(enable_categorical=True, **SMALL).fit(frame, SPECIES)
    with pytest.raises(Unconvertible, match="'colour' was a pandas category"):
        prove(model, IRIS[:, :2])


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from([0.1, 0.3, 1.0]),
    st.integers(0, 2**31 - 1),
    st.booleans(),
    st.booleans(),
)
def test_any_small_model_is_exact(
    trees: int, depth: int, classes: int, rate: float, seed: int, weighted: bool, holes: bool
) -> None:
    """Constant features, sample weights, holes, stumps, ties: nothing is special. One class: a regression."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(60, 3)).round(1)
    data[:, 2] = 1.0
    data = punched(data, seed=seed) if holes else data
    weights = rng.uniform(0.1, 3, 60) if weighted else None
    kind = XGBRegressor if classes == 1 else XGBClassifier
    target = rng.normal(size=60) if classes == 1 else rng.permutation(np.arange(60) % classes)
    model = kind(n_estimators=trees, max_depth=depth, learning_rate=rate, n_jobs=1)
    model.fit(data, target, sample_weight=weights)
    rows = around(model, data, 300, seed)
    assert prove(model, np.concatenate([rows, punched(rows, seed=seed)]))[1:3] == (0, 0)


def test_neighbouring_margins_give_the_trainers_label() -> None:
    """Margins a few bits apart may give equal probabilities, and then the first class."""
    rng = np.random.default_rng(0)
    data = rng.uniform(size=(3_000, 3))
    model = XGBClassifier(n_estimators=1, max_depth=8, base_score=0, n_jobs=1)
    model.fit(data, rng.permutation(len(data)) % 3)
    written = json.loads(bytes(model.get_booster().save_raw("json")))
    for number, tree in enumerate(written["learner"]["gradient_booster"]["model"]["trees"]):
        for node in np.flatnonzero(np.array(tree["left_children"]) < 0):
            near = 0.7 + rng.integers(-3, 4) * 2.0**-24
            tree["split_conditions"][node] = rng.uniform(-2, 0.7) if number == 1 else near
    model.load_model(bytearray(json.dumps(written).encode()))
    rows = rng.uniform(size=(20_000, 3))
    largest = model.predict(rows, output_margin=True).argmax(axis=1)
    assert (largest != model.predict(rows)).any()
    assert prove(model, rows)[1:] == (0, 0, 0.0)
