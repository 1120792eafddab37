"""Who gets which columns: pipelines, column transformers, unions, one inside the other."""

from __future__ import annotations

from collections import UserList
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from convert.coding import Coding
from convert.errors import Unconvertible
from convert.graphs.graph import build
from convert.oracle import Oracle
from tests.convert.proof import around, prove, signature_of

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = ("a", "b", "c", "d")
TEXTS = Coding(("a", "t", "c", "u"), {1: ("x", "y", "z"), 3: ("p", "q")})


def tree() -> Any:
    """One that fits quickly."""
    return DecisionTreeClassifier(max_depth=5, random_state=0)


def called(columns: Any) -> str:
    """The same in every process: functions show where they are in memory."""
    return type(columns).__name__ if callable(columns) else str(columns)


@pytest.mark.parametrize(
    "columns",
    [
        [3, 0],
        [-1, 1],
        slice(1, 3),
        [True, False, True, False],
        np.array([False, True, False, True]),
        [2],
        lambda X: [0, 2],
    ],
    ids=called,
)
@pytest.mark.parametrize("remainder", ["drop", "passthrough", MinMaxScaler()], ids=str)
def test_columns_of_an_array(columns: Any, remainder: Any) -> None:
    """All that scikit-learn takes for columns."""
    before = ColumnTransformer([("scaled", StandardScaler(), columns)], remainder=remainder)
    model = make_pipeline(before, tree()).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 300))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize(
    "columns",
    [["d", "a"], slice("b", "c"), ["c"], make_column_selector("[ad]"), [True, False, True, False], []],
    ids=called,
)
def test_columns_of_a_frame(columns: Any) -> None:
    """By name, on one matrix."""
    before = ColumnTransformer([("scaled", StandardScaler(), columns)], remainder="passthrough")
    model = make_pipeline(before, tree()).fit(Coding(NAMES).frame(IRIS), SPECIES)
    assert prove(model, around(model, IRIS, 300), coding=Coding(NAMES))[1:] == (0, 0, 0.0)


def test_every_column_in_another_order() -> None:
    """As many columns as there are, and not one where it was."""
    before = ColumnTransformer([("moved", "passthrough", [3, 2, 1, 0])], transformer_weights={"moved": 0.3})
    model = make_pipeline(before, StandardScaler(), tree()).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 300))[1:] == (0, 0, 0.0)


def test_union_with_weights() -> None:
    """Parts may be passed through or dropped."""
    union = FeatureUnion(
        [("a", StandardScaler()), ("b", MinMaxScaler()), ("c", "passthrough"), ("d", "drop")],
        transformer_weights={"b": 2.5, "c": 0.1},
    )
    model = make_pipeline(union, tree()).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 300))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("frame", [False, True])
def test_strings_travel_through_several_steps(frame: bool) -> None:
    """A first transformer leaves the strings where a second finds them, as its columns."""
    codes = np.column_stack([IRIS[:, 0], SPECIES, IRIS[:, 2], np.arange(150) % 2]).astype(float)
    first = ColumnTransformer([("n", StandardScaler(), [2, 0])], remainder="passthrough")
    second = ColumnTransformer([("t", OneHotEncoder(), [3, 2])], remainder="passthrough")
    model = make_pipeline(first, second, tree())
    model.fit(TEXTS.frame(codes) if frame else TEXTS.rows(codes), SPECIES)
    assert prove(model, codes, coding=TEXTS)[1:] == (0, 0, 0.0)


def test_union_over_strings() -> None:
    """Both parts read all columns and take their own."""
    codes = np.column_stack([IRIS[:, 0], SPECIES, IRIS[:, 2], np.arange(150) % 2]).astype(float)
    texts = ColumnTransformer([("t", OneHotEncoder(), ["u", "t"])])
    numbers = ColumnTransformer([("n", "passthrough", ["c"]), ("m", StandardScaler(), ["a"])])
    model = make_pipeline(FeatureUnion([("texts", texts), ("numbers", numbers)]), tree())
    model.fit(TEXTS.frame(codes), SPECIES)
    assert prove(model, codes, coding=TEXTS)[1:] == (0, 0, 0.0)


def test_pipelines_inside_voting_inside_a_pipeline() -> None:
    """Strings included."""
    codes = np.column_stack([IRIS[:, 0], SPECIES, IRIS[:, 2], np.arange(150) % 2]).astype(float)
    inner = [
        (
            name,
            make_pipeline(
                ColumnTransformer([("t", OneHotEncoder(), texts)], remainder=StandardScaler()), tree()
            ),
        )
        for name, texts in (("one", ["t", "u"]), ("other", ["u", "t"]))
    ]
    model = Pipeline(
        [("same", FunctionTransformer()), ("nothing", None), ("vote", VotingClassifier(inner, voting="soft"))]
    )
    model.fit(TEXTS.frame(codes), np.array(["r", "s", "t"])[SPECIES])
    assert prove(model, codes, coding=TEXTS)[1:] == (0, 0, 0.0)


FIRST = {
    "pipeline": (make_pipeline(MinMaxScaler(), "passthrough"), 2),
    "nothing": (make_pipeline("passthrough", None), 2),
    "union": (FeatureUnion([("x", MinMaxScaler()), ("y", "passthrough"), ("z", "drop")]), 4),
    "columns": (ColumnTransformer([("m", MinMaxScaler(), [0]), ("d", "drop", [1])]), 1),
    "rest": (ColumnTransformer([("m", MinMaxScaler(), [0])], remainder="passthrough"), 2),
    "codes": (OneHotEncoder(handle_unknown="ignore"), 4),
    "frozen": (FrozenEstimator(OneHotEncoder().fit(Coding(("a", "c")).frame(np.eye(2)))), 4),
}


@pytest.mark.parametrize("name", FIRST)
def test_strings_behind_any_transformer(name: str) -> None:
    """How many columns it gives is known, or the strings would be looked for elsewhere."""
    part, width = FIRST[name]
    codes = np.column_stack([SPECIES == 0, SPECIES, SPECIES == 2, np.arange(150) % 2]).astype(float)
    first = ColumnTransformer([("p", part, ["a", "c"]), ("t", "passthrough", ["u", "t"])])
    second = ColumnTransformer([("t", OneHotEncoder(), [width + 1, width])], remainder="passthrough")
    model = make_pipeline(first, second, tree()).fit(TEXTS.frame(codes), SPECIES)
    assert prove(model, codes, coding=TEXTS)[1:] == (0, 0, 0.0)


def test_a_remainder_as_older_versions_keep_it() -> None:
    """scikit-learn 1.6 keeps the columns of the remainder in a list of its own kind."""
    before = ColumnTransformer([("scaled", StandardScaler(), [2])], remainder="passthrough")
    model = make_pipeline(before, tree()).fit(IRIS, SPECIES)
    name, part, columns = before.transformers_[-1]
    now = build(Oracle(model), "m", signature_of(Oracle(model)))
    assert prove(model, around(model, IRIS, 300))[1:] == (0, 0, 0.0)
    before.transformers_[-1] = (name, part, UserList(columns))
    assert build(Oracle(model), "m", signature_of(Oracle(model))) == now


def test_a_part_without_columns_is_refused() -> None:
    """There is no tensor without columns."""
    nothing = ColumnTransformer([("d", "drop", [0])])
    model = make_pipeline(FeatureUnion([("n", nothing), ("a", StandardScaler())]), tree()).fit(IRIS, SPECIES)
    with pytest.raises(Unconvertible, match="transformer 'n' of the union: it gives no columns"):
        prove(model, IRIS)


@pytest.mark.parametrize(
    "part",
    [
        LinearDiscriminantAnalysis(),
        VotingRegressor([("a", Ridge()), ("b", Ridge(alpha=9))]),
        GridSearchCV(LinearDiscriminantAnalysis(), {"tol": [1e-4]}, cv=2),
    ],
    ids=["classifier", "regressor", "search"],
)
def test_predictors_that_transform_are_refused(part: Any) -> None:
    """What they predict is not what they hand to the next step."""
    model = make_pipeline(part, tree()).fit(IRIS, SPECIES)
    match = rf"\(1 of 2\) of the pipeline: {type(part).__name__} predicts; there is no graph for what it"
    with pytest.raises(Unconvertible, match=match):
        prove(model, IRIS)


def test_a_member_without_a_builder_is_refused() -> None:
    """skl2onnx may know it, but not as exactly as a part must be known."""
    model = VotingClassifier([("odd", GaussianProcessClassifier())], voting="soft").fit(IRIS, SPECIES)
    with pytest.raises(Unconvertible, match="there is no exact graph for GaussianProcessClassifier"):
        prove(model, IRIS)


def test_a_search_as_the_last_step() -> None:
    """The best estimator answers."""
    model = make_pipeline(StandardScaler(), GridSearchCV(tree(), {"max_depth": [1, 3]}, cv=2))
    model.fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 300))[1:] == (0, 0, 0.0)


def test_regression() -> None:
    """A pipeline gives values as well."""
    model = make_pipeline(StandardScaler(), DecisionTreeRegressor(random_state=0)).fit(
        IRIS[:, :3], IRIS[:, 3]
    )
    assert prove(model, around(model, IRIS[:, :3], 300))[1:] == (0, 0, 0.0)


def test_refusals_say_where() -> None:
    """Every level is named."""
    inside = make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=5))
    before = ColumnTransformer([("first", inside, [0]), ("second", "passthrough", [1])])
    model = make_pipeline(before, tree()).fit(IRIS, SPECIES)
    match = (
        r"step 'columntransformer' \(1 of 2\) of the pipeline: "
        r"transformer 'first' of the column transformer: "
        r"step 'quantiletransformer' \(2 of 2\) of the pipeline: there is no exact graph for Quantile"
    )
    with pytest.raises(Unconvertible, match=match):
        prove(model, IRIS)


@settings(deadline=None, max_examples=25)
@given(
    st.permutations(range(5)), st.integers(0, 5), st.integers(0, 5), st.booleans(), st.integers(0, 2**31 - 1)
)
def test_any_split_of_the_columns(order: list[int], one: int, two: int, rest: bool, seed: int) -> None:
    """Some columns here, some there, some twice, some nowhere."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 5)).round(1)
    before = ColumnTransformer(
        [
            ("a", StandardScaler(), order[:one]),
            ("b", "passthrough", order[two:]),
            ("c", MinMaxScaler(), [order[0]]),
        ],
        remainder="passthrough" if rest else "drop",
    )
    model = make_pipeline(before, RandomForestClassifier(3, random_state=0)).fit(X, rng.integers(0, 2, 40))
    assert prove(model, around(model, X, 100, seed))[1:] == (0, 0, 0.0)
