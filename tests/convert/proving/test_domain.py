"""A signature that lets in what the trained model refuses is refused itself, by feature and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from convert.errors import ConvertError, SourceError
from convert.oracle import Oracle
from convert.proving.adversary import survey
from convert.proving.domain import check_domain
from registry.manifest import Card

MakeCard = Callable[..., Card]
DATA = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])


def encoded(unknown: str) -> Any:
    """Its first feature is a number that stands for something."""
    rest: dict[str, Any] = {"unknown_value": -1} if unknown == "use_encoded_value" else {}
    encoder = OrdinalEncoder(handle_unknown=unknown, **rest)
    columns = ColumnTransformer([("code", encoder, [0])], remainder="passthrough")
    return make_pipeline(columns, DecisionTreeClassifier()).fit(DATA, [0, 1, 1])


def check(estimator: Any, card: Card) -> None:
    """As a conversion with data does."""
    oracle = Oracle(estimator)
    check_domain(oracle, card.signature, survey(card.signature, [], DATA, oracle.coding))


def test_a_model_that_answers_everything(make_card: MakeCard) -> None:
    """Nothing is refused: a plain model, and an encoder that knows what to do with the unknown."""
    check(LinearRegression().fit(DATA, [1, 2, 3]), make_card(2, 0, "float64"))
    check(encoded("use_encoded_value"), make_card(2, 2, "float64"))


def test_a_number_that_is_refused(make_card: MakeCard) -> None:
    """The feature, a value of it, the model's own words, and a way out."""
    with pytest.raises(
        SourceError, match=r"the signature allows f0 = -0\.5, which the .* refuses: ValueError: F"
    ):
        check(encoded("error"), make_card(2, 2, "float64"))
    with pytest.raises(SourceError, match=r"narrow it with --range, or train it to answer"):
        check(encoded("error"), make_card(2, 2, "float64"))


def test_a_model_that_answers_none_of_the_data(make_card: MakeCard) -> None:
    """Then there is nothing to try values on."""
    signature = make_card(2, 0, "float64").signature
    refusing = Oracle(encoded("error"))
    with pytest.raises(ConvertError, match="answered none of the rows that were tried"):
        check_domain(refusing, signature, survey(signature, [], DATA + 0.25, refusing.coding))


def test_missing_values_that_the_model_refuses(make_card: MakeCard) -> None:
    """A card may not promise that a feature may be missing when the trained model refuses that."""
    oracle = Oracle(LinearRegression().fit(DATA, [1, 2, 3]))
    signature = make_card(2, 0, "float64", may_be_missing=True).signature
    with pytest.raises(SourceError, match=r"says that f0 may be missing, but the trained model refuses that"):
        check_domain(oracle, signature, survey(signature, [], DATA, oracle.coding))


def test_numbers_far_from_the_data(make_card: MakeCard) -> None:
    """A logarithm of data around 1000 is refused at 0 all the same, until the range keeps it out."""
    rows = np.array([[1000.0, 1.0], [1050.0, 2.0], [1100.0, 3.0]])
    model = make_pipeline(FunctionTransformer(np.log), LinearRegression()).fit(rows, [1, 2, 3])
    oracle, free = Oracle(model), make_card(2, 0, "float64").signature
    with pytest.raises(SourceError, match=r"allows f0 = 0\.0, which the trained model refuses: .*--range"):
        check_domain(oracle, free, survey(free, [], rows, oracle.coding))
    bounded = make_card(2, 0, "float64", minimum=0.5).signature
    check_domain(oracle, bounded, survey(bounded, [], rows, oracle.coding))
