"""Parts that several tests of the workshop share: real data, real estimators, cards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from convert.sources.rules import Answer, Rule, RuleList
from registry.manifest import Card, Dtype, Feature, Signature, TrainingData

MakeCard = Callable[..., Card]


@dataclass(frozen=True)
class Iris:
    """The 150 flowers."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    names: NDArray[np.str_]


@pytest.fixture(scope="session")
def iris() -> Iris:
    X, y = load_iris(return_X_y=True)
    return Iris(X, y, np.array(["setosa", "versicolor", "virginica"])[y])


@pytest.fixture(scope="session")
def make_card() -> MakeCard:
    """A card with plain features; keyword arguments go into every feature."""

    def make(
        features: int | Sequence[str], classes: int | Sequence[str], dtype: Dtype, **rest: object
    ) -> Card:
        names = [f"f{number}" for number in range(features)] if isinstance(features, int) else features
        labels = [f"c{number}" for number in range(classes)] if isinstance(classes, int) else classes
        columns = tuple(Feature(name=name, dtype=dtype, **rest) for name in names)  # type: ignore[arg-type]  # any field
        return Card(
            description="test",
            task="classification" if labels else "regression",
            signature=Signature(features=columns, classes=tuple(labels)),
            training_data=TrainingData(name="test", rows=1, sha256="0" * 64),
            metrics=(),
        )

    return make


@pytest.fixture(scope="session")
def tree(iris: Iris) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.X, iris.y)


@pytest.fixture(scope="session")
def rules() -> RuleList:
    return RuleList(
        features=("petal_length", "petal_width"),
        classes=("setosa", "versicolor", "virginica"),
        rules=(
            Rule(feature="petal_length", below=2.45, answer="setosa", counts=(50, 0, 0)),
            Rule(feature="petal_width", below=1.75, answer="versicolor", counts=(0, 49, 5)),
        ),
        otherwise=Answer(answer="virginica", counts=(0, 1, 45)),
    )
