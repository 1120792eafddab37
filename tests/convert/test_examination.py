"""Both graphs of one estimator, the exact and the usual one, are asked the same and told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from convert import cost, examination, plain
from convert.coding import Coding
from convert.errors import Unconvertible
from convert.examination import Examination, examine
from convert.sealing import silence
from convert.sources.rules import RuleList
from registry.manifest import Bound
from tests.convert.colors import ROWS, pipeline

Examine = Callable[..., Examination]
BOOSTED: dict[str, Any] = {"n_estimators": 10, "max_depth": 3, "n_jobs": 1}


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """``examine`` with few random rows and few timed calls."""
    for name, calls in (("CALLS", 50), ("WARM_UP", 5), ("BATCH_CALLS", 20)):
        monkeypatch.setattr(cost, name, calls)

    def run(estimator: Any, data: NDArray[np.float64], coding: Coding | None = None) -> Examination:
        return examine(estimator, data, 300, silence, coding)

    return run


def test_a_scaled_booster(iris: Any, look: Examine) -> None:
    """Ours meets its target; the usual one scales in float32, and lands on wrong sides of thresholds."""
    scaled = make_pipeline(StandardScaler(), XGBClassifier(**BOOSTED)).fit(iris.X, iris.y)
    found = look(scaled, iris.X)
    assert found.met
    assert (found.fault, found.exact.label_mismatches) == ("", 0)
    assert found.exact.max_abs_error <= found.bound.absolute == 1.2e-7
    assert found.exact.rows > 1_000
    assert found.exact.rows_alone > 100
    assert found.usual
    assert found.usual.rows == found.exact.rows
    assert found.usual.label_mismatches > 0 or found.usual.max_abs_error > 0.01
    assert "are answered otherwise than by the trained model" in found.usual_fault
    assert found.cost_one_row
    assert found.cost_batch
    assert found.cost_one_row > 0 < found.cost_batch
    assert found.size_bytes > 1_000 < (found.usual_size_bytes or 0)


@pytest.mark.parametrize(
    "estimator",
    [
        XGBClassifier(**BOOSTED),
        XGBRegressor(**BOOSTED),
        LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
        LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1),
        LinearRegression(),
        RandomForestRegressor(5, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_that_both_know(estimator: Any, iris: Any, look: Examine) -> None:
    """Alone, each by its own library's converter; ours is never further off than the usual one."""
    found = look(estimator.fit(iris.X, iris.y), iris.X)
    assert found.met, found.fault
    assert found.usual
    assert found.usual.rows == found.exact.rows
    assert found.exact.max_abs_error <= found.usual.max_abs_error
    assert found.usual.label_mismatches == 0 or is_classifier(estimator)


def test_labels_of_any_kind(iris: Any, look: Examine) -> None:
    """The usual graph answers with the label itself, which is no fault of it."""
    plain_labels = DecisionTreeClassifier(max_depth=3, random_state=0)
    expected = look(plain_labels.fit(iris.X, iris.y), iris.X).usual
    assert expected
    for names in (["setosa", "versicolor", "virginica"], [5, 6, 9]):
        named = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.X, np.array(names)[iris.y])
        found = look(named, iris.X)
        assert found.met
        assert found.usual == expected


def doubled(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """A feature more."""
    return np.column_stack([X, X[:, 0] * 2])


def test_what_the_usual_converters_refuse(iris: Any, look: Examine) -> None:
    """Told in one line; the exact graph is judged all the same."""
    derived = make_pipeline(FunctionTransformer(doubled), DecisionTreeClassifier(max_depth=3))
    found = look(derived.fit(iris.X, iris.y), iris.X)
    assert found.met
    assert (found.usual, found.cost_one_row, found.usual_size_bytes) == (None, None, None)
    assert found.usual_fault.startswith("the usual conversion fails: ")
    assert "\n" not in found.usual_fault


def test_a_conversion_that_does_not_end(
    tree: DecisionTreeClassifier, iris: Any, look: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up."""
    monkeypatch.setattr(plain, "LIMIT_S", 0.01)
    assert look(tree, iris.X).usual_fault == "the usual conversion takes more than 0.01 s"


def test_strings(look: Examine) -> None:
    """The usual converters want one matrix of numbers; ours are asked about every word."""
    coding = Coding(("color", "size"), {0: ("blue", "green", "red")})
    data = np.array([[coding.vocabulary[0].index(color), size] for color, size, _ in ROWS])
    found = look(pipeline("error"), data, coding)
    assert found.met
    assert found.usual is None
    assert found.usual_fault == "takes one matrix of float32 numbers, no strings"


def test_a_target_that_is_missed(iris: Any, look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, with where and by how much, and nothing is raised."""
    monkeypatch.setattr(examination, "target", lambda _: Bound())
    found = look(LogisticRegression(max_iter=5_000).fit(iris.X, iris.y), iris.X)
    assert not found.met
    assert "are answered otherwise than by the trained model" in found.fault
    assert 0 < found.exact.max_abs_error < 1e-12


def opaque(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Something that no graph can say."""
    return np.sort(X, axis=1)


def test_no_exact_graph(iris: Any, look: Examine) -> None:
    """Then there is nothing to examine."""
    sorting = make_pipeline(FunctionTransformer(opaque), DecisionTreeClassifier()).fit(iris.X, iris.y)
    with pytest.raises(Unconvertible, match="step 'functiontransformer'"):
        look(sorting, iris.X)


def test_rules(rules: RuleList, iris: Any, look: Examine) -> None:
    """Written down as the converters write a tree, they compare in float32."""
    found = look(rules, iris.X[:, 2:])
    assert found.met
    assert found.exact.max_abs_error == 0
    assert found.usual
    assert found.usual.rows == found.exact.rows
