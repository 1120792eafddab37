"""The trained model is asked about every kind of row that its card allows, and about no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from convert.errors import ParityError, SourceError
from convert.graphs.graph import build
from convert.oracle import Oracle
from convert.proving.interrogation import interrogate
from convert.proving.parity import Judged
from convert.sealing import silence
from registry.manifest import Card, Signature

MakeCard = Callable[..., Card]
Ask = Callable[..., dict[str, Judged]]
THREE = ("a", "b", "c")


@pytest.fixture
def ask() -> Ask:
    """Build the graph and interrogate; what was said is kept in ``said``."""

    def run(
        estimator: Any, signature: Signature, data: Any = None, said: list[str] | None = None
    ) -> dict[str, Judged]:
        oracle = Oracle(estimator)
        say = silence if said is None else said.append
        judged = interrogate(oracle, signature, build(oracle, "g", signature), data, 200, say)
        return {part.kind: part for part in judged}

    return run


def test_every_kind(tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard, ask: Ask) -> None:
    """In their order, each with the trained model's own answers; what the graph tells is not looked for."""
    said: list[str] = []
    signature = make_card(4, THREE, "float32", may_be_missing=True).signature
    asked = ask(tree, signature, iris.X, said)
    assert [*asked] == ["data", "thresholds", "regions", "random", "extremes", "missing"]
    for part in asked.values():
        assert part.labels.tolist() == tree.predict(part.rows).tolist()
        assert part.numbers.tolist() == tree.predict_proba(part.rows).tolist()
    assert np.array_equal(asked["data"].rows, iris.X)
    assert "looking for thresholds that the graph does not tell" not in said


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1.0, 9.5, 1.0, 1.0], "data row 2: the card does not allow f1 = 9.5"),
        ([1.0, 1.0, np.nan, 1.0], "data row 2: the card does not allow f2 = nan"),
        ([np.inf, 1.0, 1.0, 1.0], "data row 2: the card does not allow f0 = inf"),
        ([1.0, 1.0, 1.0, 1.0, 1.0], r"expected rows of 4 features, came an array of shape \(2, 5\)"),
    ],
)
def test_data_outside_the_card(
    row: list[float], reason: str, tree: DecisionTreeClassifier, make_card: MakeCard, ask: Ask
) -> None:
    """The row and the feature are named."""
    signature = make_card(4, THREE, "float32", maximum=9.0).signature
    with pytest.raises(SourceError, match=reason):
        ask(tree, signature, np.array([[1.0] * len(row), row]))


def test_ties(iris: Any, make_card: MakeCard, ask: Ask) -> None:
    """The rows of all kinds whose best probabilities are close; a model without probabilities has none."""
    sure = DecisionTreeClassifier(max_depth=1).fit(iris.X, iris.y)  # half of the leaf behind is either
    ties = ask(sure, make_card(4, THREE, "float32").signature, iris.X)["ties"]
    assert len(ties.rows) > 100
    assert set(map(tuple, ties.numbers.tolist())) == {(0.0, 0.5, 0.5)}
    signature = msgspec.structs.replace(make_card(4, THREE, "float64").signature, probabilities=False)
    assert "ties" not in ask(LinearSVC(max_iter=10_000).fit(iris.X, iris.y), signature, iris.X)
    clear = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    assert "ties" not in ask(clear, make_card(1, 2, "float32").signature)


def test_what_the_trained_model_refuses(iris: Any, make_card: MakeCard, ask: Ask) -> None:
    """Rows without an answer are nothing to compare, though the card allows them."""
    line = LinearRegression().fit(iris.X, iris.y)
    asked = ask(line, make_card(4, 0, "float64", maximum=9.0).signature, iris.X)
    assert {"infinite", "ties"}.isdisjoint(asked)
    assert all(np.isfinite(part.rows).all() for part in asked.values())


class Mute(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Answers nothing."""

    n_features_in_ = 2

    def fit(self, rows: Any, labels: Any) -> Any:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raise ValueError("not today")


def test_a_model_that_answers_nothing(make_card: MakeCard) -> None:
    """Then there is nothing to hold the graph against."""
    two = make_card(2, 0, "float64").signature
    graph = build(Oracle(LinearRegression().fit(np.eye(2), [0.0, 1.0])), "g", two)
    with pytest.raises(ParityError, match="not published: the trained model answered none of the rows"):
        interrogate(Oracle(Mute()), two, graph, None, 50, silence)


def test_thresholds_that_the_graph_does_not_tell(iris: Any, make_card: MakeCard, ask: Ask) -> None:
    """Behind a projection they are found from the answers; a smooth model has none."""
    said: list[str] = []
    signature = make_card(4, THREE, "float64").signature
    turned = make_pipeline(PCA(2), DecisionTreeClassifier(max_depth=2, random_state=0)).fit(iris.X, iris.y)
    asked = ask(turned, signature, iris.X, said)
    assert "looking for thresholds that the graph does not tell" in said
    beside = asked["thresholds"]
    assert len({tuple(row) for row in beside.numbers.tolist()}) > 1
    assert "thresholds" not in ask(LogisticRegression(max_iter=5_000).fit(iris.X, iris.y), signature, iris.X)
