"""Encoders of categories: strings and numbers, known and unknown, on DataFrames and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from convert.coding import Coding
from convert.errors import Unconvertible
from tests.convert.proof import prove

pytestmark = pytest.mark.filterwarnings("ignore:Found unknown categories")
CODING = Coding(
    ("size", "colour", "weight", "shape"), {1: ("red", "blue", "grün", "new"), 3: ("o", "x", "new")}
)
RNG = np.random.default_rng(0)


def rows(count: int, unseen: int = 0) -> Any:
    """Codes and numbers; ``unseen`` 1: strings that training did not have, too."""
    columns = [
        RNG.normal(size=count).round(1),
        RNG.integers(0, 3 + unseen, count),
        RNG.integers(0, 4, count),
        RNG.integers(0, 2 + unseen, count),
    ]
    return np.column_stack(columns).astype(float)


TRAIN = rows(120)
ANSWER = ((TRAIN[:, 1] == 1) ^ (TRAIN[:, 3] == 0) ^ (TRAIN[:, 0] > 0)).astype(int)
ENCODERS = [
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="ignore", drop="first"),
    OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
    OneHotEncoder(handle_unknown="ignore", dtype=np.float32),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=45),
    OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, drop="first"),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5, min_frequency=45),
    TargetEncoder(),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
@pytest.mark.parametrize("kind", ["frame", "array"])
def test_strings_beside_numbers(encoder: Any, kind: str) -> None:
    """Columns by name and by number, in another order than the data's."""
    texts, numbers = (["shape", "colour"], ["weight", "size"]) if kind == "frame" else ([3, 1], [2, 0])
    before = ColumnTransformer([("texts", encoder, texts), ("numbers", StandardScaler(), numbers)])
    model = make_pipeline(before, DecisionTreeClassifier(random_state=0))
    model.fit(CODING.frame(TRAIN) if kind == "frame" else CODING.rows(TRAIN), ANSWER)
    assert prove(model, rows(500, unseen=1), coding=CODING)[1:] == (0, 0, 0.0)


@pytest.mark.parametrize(
    "encoder", [OneHotEncoder(), OrdinalEncoder(), OneHotEncoder(drop=["x", "red"])], ids=str
)
def test_encoders_that_refuse_unknown_strings(encoder: Any) -> None:
    """Of those they know they make the same."""
    before = ColumnTransformer([("texts", encoder, [3, 1])], remainder="passthrough")
    model = make_pipeline(before, DecisionTreeClassifier(random_state=0)).fit(CODING.rows(TRAIN), ANSWER)
    assert prove(model, rows(300), coding=CODING)[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("encoder", [one for one in ENCODERS if "max_cat" not in str(one)], ids=str)
def test_categories_that_are_numbers(encoder: Any) -> None:
    """NaN is a category as well, and a number between two categories is none."""
    X = TRAIN[:, [1, 2]].copy()
    X[::7, 1] = np.nan
    model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0)).fit(X, ANSWER)
    asked = np.concatenate([X, X + 0.5, X + 10, -X])
    assert prove(model, asked)[1:] == (0, 0, 0.0)


def test_numbers_and_strings_in_one_encoder() -> None:
    """A column of each, strings second."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    before = ColumnTransformer([("both", encoder, ["weight", "colour"])])
    model = make_pipeline(before, DecisionTreeClassifier(random_state=0)).fit(CODING.frame(TRAIN), ANSWER)
    assert prove(model, rows(300, unseen=1), coding=CODING)[1:] == (0, 0, 0.0)


TWO = TRAIN[:, [1, 3]]


@pytest.mark.parametrize(
    ("trained", "served", "reason"),
    [
        ({}, {0: ("0", "1", "2"), 1: ("0", "1")}, "a feature of strings was encoded as numbers"),
        ({0: ("0", "1", "2"), 1: ("0", "1")}, {}, "a feature of numbers was encoded as strings"),
        ({0: ("0", "1", "2"), 1: ("0", "1")}, {0: ("0", "1", "2")}, "or the other way round"),
    ],
    ids=["strings", "numbers", "both"],
)
def test_features_that_are_served_as_something_else_are_refused(
    trained: Any, served: Any, reason: str
) -> None:
    """ "1" is not 1."""
    model = make_pipeline(OneHotEncoder(), DecisionTreeClassifier())
    model.fit(Coding(("a", "b"), trained).rows(TWO), ANSWER)
    with pytest.raises(Unconvertible, match=reason):
        prove(model, TWO, coding=Coding(("a", "b"), served))


def test_means_for_several_classes_are_refused() -> None:
    """A TargetEncoder gives a column per class then."""
    model = make_pipeline(TargetEncoder(), DecisionTreeClassifier()).fit(TWO, TRAIN[:, 2])
    with pytest.raises(Unconvertible, match="several columns per feature"):
        prove(model, TWO)


def test_an_encoder_that_drops_all_is_refused() -> None:
    """A feature of one category, and that one dropped."""
    empty = OneHotEncoder(drop="first").fit(np.zeros((9, 2)))
    union = FeatureUnion([("none", OneHotEncoder(drop=[0.0, 0.0])), ("all", StandardScaler())])
    assert empty.transform(np.zeros((9, 2))).shape == (9, 0)
    model = make_pipeline(union, DecisionTreeClassifier()).fit(np.zeros((9, 2)), np.arange(9) % 2)
    with pytest.raises(Unconvertible, match="transformer 'none' of the union: it gives no columns"):
        prove(model, np.zeros((9, 2)))


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    st.sampled_from(["ignore", "infrequent_if_exist"]),
    st.sampled_from([None, "first", "if_binary"]),
    st.sampled_from([None, 2, 10]),
    st.integers(0, 2**31 - 1),
)
def test_any_strings(known: list[str], unknown: str, drop: Any, frequency: Any, seed: int) -> None:
    """Empty strings and any alphabet; the last one is never seen in training."""
    rng = np.random.default_rng(seed)
    coding = Coding(("text", "more"), {0: tuple(known), 1: tuple(known)})
    codes = rng.integers(0, len(known) - 1, (30, 2)).astype(float)
    encoder = OneHotEncoder(handle_unknown=unknown, drop=drop, min_frequency=frequency)
    if not encoder.fit_transform(coding.rows(codes)).shape[1]:
        return  # one category per feature, and that one dropped
    model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0))
    model.fit(coding.rows(codes), rng.integers(0, 2, 30))
    asked = rng.integers(0, len(known), (60, 2)).astype(float)
    assert prove(model, asked, coding=coding)[1:] == (0, 0, 0.0)
