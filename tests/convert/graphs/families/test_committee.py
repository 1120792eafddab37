"""Estimators made of others: votes, bags, stacks, boosting, calibration, thresholds, transformed targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

from convert.errors import Unconvertible
from convert.graphs.registration import EXACT
from convert.graphs.targets import target
from convert.oracle import Oracle
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
BINARY = (SPECIES == 1).astype(int)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)


def tree(depth: int = 3) -> Any:
    """One that fits quickly, with mixed leaves."""
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def deep_tree() -> Any:
    """A regressor where a classifier should be."""
    return DecisionTreeRegressor(max_depth=3, random_state=0)


def forest(trees: int = 7) -> Any:
    """Behind a scaler."""
    return make_pipeline(StandardScaler(), RandomForestClassifier(trees, random_state=0))


def boosted(trees: int) -> Any:
    """Answers in float32."""
    return XGBClassifier(n_estimators=trees, max_depth=2, n_jobs=1)


def two() -> list[tuple[str, Any]]:
    """Members."""
    return [("tree", tree()), ("forest", forest())]


CLASSIFIERS = {
    "soft": VotingClassifier(two(), voting="soft"),
    "weighted": VotingClassifier(two(), voting="soft", weights=[1, 2.7]),
    "dropped": VotingClassifier([*two(), ("none", "drop")], voting="soft", weights=[1, 2.7, 9]),
    "hard": VotingClassifier([*two(), ("deep", tree(9))], weights=[0.1, 0.2, 0.3]),
    "majority": VotingClassifier([*two(), ("stump", tree(1))]),
    "bagging": BaggingClassifier(n_estimators=9, max_features=2, random_state=0),
    "bootstrapped": BaggingClassifier(n_estimators=9, bootstrap_features=True, max_samples=9, random_state=0),
    "bagged pipelines": BaggingClassifier(
        forest(), n_estimators=3, max_features=3, max_samples=5, random_state=0
    ),
    # of what takes weights of rows: versions before 1.7 hand them to every member
    "bagged votes": BaggingClassifier(
        VotingClassifier([("tree", tree()), ("forest", RandomForestClassifier(7, random_state=0))]),
        n_estimators=3,
        random_state=0,
    ),
    "stacking": StackingClassifier(two(), final_estimator=tree(5)),
    "stacked labels": StackingClassifier(two(), tree(5), passthrough=True, stack_method="predict"),
    "isotonic": CalibratedClassifierCV(forest(), method="isotonic", cv=3),
    "isotonic, one": CalibratedClassifierCV(tree(), method="isotonic", cv=3, ensemble=False),
    "rest": OneVsRestClassifier(forest()),
    "pairs": OneVsOneClassifier(forest()),
    "search": GridSearchCV(tree(), {"max_depth": [2, 3]}, cv=2),
    "frozen": FrozenEstimator(forest().fit(IRIS, NAMES)),
}
ROUNDED = {
    "adaptive": AdaBoostClassifier(n_estimators=15, random_state=0),
    "adaptive trees": AdaBoostClassifier(tree(2), n_estimators=15, random_state=0),
    "adaptive forests": AdaBoostClassifier(RandomForestClassifier(3), n_estimators=3, random_state=0),
    "sigmoid": CalibratedClassifierCV(forest(), cv=3),
    "sigmoid of scores": CalibratedClassifierCV(LinearSVC(), cv=3),
    "linear": StackingClassifier(two(), final_estimator=LogisticRegression()),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("answers", [NAMES, BINARY], ids=["names", "binary"])
def test_exact_classifiers(name: str, answers: Any) -> None:
    """To the bit, and nothing else is allowed."""
    model = CLASSIFIERS[name]
    if name != "frozen":
        model = model.fit(IRIS, answers)
    assert target(Oracle(model).estimator) == EXACT
    assert prove(model, around(model, IRIS, 1_000))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("answers", [NAMES, BINARY], ids=["names", "binary"])
def test_classifiers_behind_an_exponential(name: str, answers: Any) -> None:
    """Within a few ulp."""
    model = ROUNDED[name].fit(IRIS, answers)
    assert prove(model, around(model, IRIS, 1_000))[1:3] == (0, 0)


@pytest.mark.parametrize("other", [boosted(3), tree()], ids=["float32", "float64"])
def test_votes_in_single_precision(other: Any) -> None:
    """Members that answer in float32 are averaged in float32, unless one answers in float64."""
    model = VotingClassifier([("a", boosted(5)), ("b", other)], voting="soft").fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS, 1_000))[1:3] == (0, 0)


@pytest.mark.parametrize(
    "model",
    [
        CalibratedClassifierCV(RandomForestClassifier(3, random_state=0), method="isotonic", cv=2),
        OneVsRestClassifier(RandomForestClassifier(3, random_state=0)),
    ],
    ids=["calibrated", "rest"],
)
def test_ten_classes(model: Any) -> None:
    """numpy adds up ten numbers in another order than three."""
    X, y = load_digits(return_X_y=True)
    model.fit(X, y)
    assert prove(model, around(model, X, 500))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("kind", [FixedThresholdClassifier, TunedThresholdClassifierCV])
@pytest.mark.parametrize("positive", ["no", "yes"])
def test_thresholds(kind: Any, positive: str) -> None:
    """For either class."""
    answers = np.array(["no", "yes"])[BINARY]
    options = (
        {"threshold": 0.3, "pos_label": positive}
        if kind is FixedThresholdClassifier
        else {"random_state": 0, "cv": 2}
    )
    model = kind(forest(), **options).fit(IRIS, answers)
    assert prove(model, around(model, IRIS, 1_000))[1:] == (0, 0, 0.0)


def deep() -> Any:
    """A regressor that fits quickly."""
    return DecisionTreeRegressor(max_depth=4, random_state=0)


def values() -> Any:
    """Another."""
    return make_pipeline(StandardScaler(), RandomForestRegressor(3, max_depth=4, random_state=0))


REGRESSORS = {
    "voting": VotingRegressor([("a", deep()), ("b", values())]),
    "weighted": VotingRegressor([("a", deep()), ("b", values())], weights=[1, 3]),
    "bagging": BaggingRegressor(n_estimators=9, max_features=5, bootstrap_features=True, random_state=0),
    "bagged pipelines": BaggingRegressor(values(), n_estimators=3, max_features=5, random_state=0),
    "stacking": StackingRegressor([("a", deep()), ("b", values())], deep(), passthrough=True, cv=2),
    "adaptive": AdaBoostRegressor(n_estimators=15, random_state=0),
    "adaptive pipelines": AdaBoostRegressor(
        RandomForestRegressor(3, max_depth=3), n_estimators=4, random_state=0
    ),
    "standardised": TransformedTargetRegressor(values(), transformer=StandardScaler()),
    "robust": TransformedTargetRegressor(values(), transformer=RobustScaler()),
    "scaled": TransformedTargetRegressor(values(), transformer=MinMaxScaler()),
    "shrunk": TransformedTargetRegressor(values(), transformer=MaxAbsScaler()),
    "same": TransformedTargetRegressor(values()),
    "root": TransformedTargetRegressor(values(), func=np.sqrt, inverse_func=np.square),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_exact_regressors(name: str) -> None:
    """To the bit, and nothing else is allowed."""
    model = REGRESSORS[name].fit(DIABETES, PROGRESS)
    assert target(Oracle(model).estimator) == EXACT
    assert prove(model, around(model, DIABETES, 500))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize(("there", "back"), [(np.log, np.exp), (np.log1p, np.expm1)], ids=["log", "log1p"])
def test_logarithms_of_the_target(there: Any, back: Any) -> None:
    """Within the bound of what rounds."""
    model = TransformedTargetRegressor(values(), func=there, inverse_func=back).fit(DIABETES, PROGRESS)
    assert prove(model, around(model, DIABETES, 500))[1:3] == (0, 0)
    assert target(Oracle(model).estimator) != EXACT


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (MultiOutputRegressor(deep()), "several outputs; fit one model per output"),
        (
            TransformedTargetRegressor(deep(), transformer=QuantileTransformer(n_quantiles=9)),
            "inverse of Quantile",
        ),
    ],
    ids=["outputs", "inverse"],
)
def test_regressors_that_are_refused(model: Any, reason: str) -> None:
    """With what to do."""
    answers = np.stack([PROGRESS, PROGRESS], axis=1) if "MultiOutput" in type(model).__name__ else PROGRESS
    with pytest.raises(Unconvertible, match=reason):
        prove(model.fit(DIABETES, answers), DIABETES)


def temperature() -> list[Any]:
    """Calibration by temperature looks at the whole batch; early versions of scikit-learn do not know it."""
    model = CalibratedClassifierCV(tree(), method="temperature", cv=2)
    known = "temperature" in str(CalibratedClassifierCV._parameter_constraints["method"])
    reason = "calibration by temperature looks at all rows"
    return [pytest.param(model, reason, id="temperature")] if known else []


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            VotingClassifier(
                [("a", tree()), ("odd", make_pipeline(QuantileTransformer(n_quantiles=9), tree()))]
            ),
            r"estimator 'odd': step 'quantiletransformer' \(1 of 2\) of the pipeline: there is no",
        ),
        (
            StackingClassifier([("a", tree())], make_pipeline(QuantileTransformer(n_quantiles=9), tree())),
            r"the final estimator: step 'quantiletransformer'",
        ),
        *temperature(),
    ],
    ids=lambda part: type(part).__name__ if not isinstance(part, str) else "",
)
def test_refusals_say_where(model: Any, reason: str) -> None:
    """Down to the step of the member."""
    with pytest.raises(Unconvertible, match=reason):
        prove(model.fit(IRIS, SPECIES), IRIS)


def test_a_tree_that_never_saw_a_class() -> None:
    """Its votes go where its classes stand among all."""
    model = BaggingClassifier(tree(), n_estimators=3, max_features=2, random_state=0).fit(IRIS, NAMES)
    some = SPECIES != 1
    model.estimators_[1] = tree().fit(IRIS[some][:, model.estimators_features_[1]], SPECIES[some])
    assert len(model.estimators_[1].classes_) == 2
    assert prove(model, around(model, IRIS, 1_000))[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("answers", [NAMES, BINARY], ids=["names", "binary"])
def test_stacked_scores(answers: Any) -> None:
    """The final estimator reads decision functions; of two classes there is only one number."""
    members = [("boosted", GradientBoostingClassifier(n_estimators=3, random_state=0)), ("line", LinearSVC())]
    model = StackingClassifier(members, tree(), stack_method="decision_function", cv=2).fit(IRIS, answers)
    assert prove(model, around(model, IRIS, 500))[1] == 0


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (BaggingRegressor(tree(), n_estimators=2), "DecisionTreeClassifier is no regressor"),
        (BaggingClassifier(deep_tree(), n_estimators=2), "DecisionTreeRegressor is no classifier"),
        (AdaBoostRegressor(tree(), n_estimators=2), "estimator 1 of .: DecisionTreeClassifier is no regr"),
        (StackingClassifier([("a", deep_tree())], tree()), "'a': DecisionTreeRegressor is no classifier"),
        (
            OneVsRestClassifier(BaggingClassifier(LogisticRegression(), n_estimators=2)),
            "model 1 of 3: there is no graph for the decision_function of BaggingClassifier",
        ),
    ],
    ids=["bagged classifier", "bagged regressor", "adaptive classifier", "stacked regressor", "scores"],
)
def test_members_of_the_wrong_kind_are_refused(model: Any, reason: str) -> None:
    """scikit-learn takes them; what it makes of their answers has no graph."""
    with pytest.raises(Unconvertible, match=reason):
        prove(model.fit(IRIS, SPECIES.astype(float)), IRIS)


def test_names_for_the_final_estimator_are_refused() -> None:
    """It can read them where the members were fitted before."""
    final = make_pipeline(OneHotEncoder(), tree())
    members = [("a", tree().fit(IRIS, NAMES))]
    model = StackingClassifier(members, final, cv="prefit", stack_method="predict").fit(IRIS, NAMES)
    with pytest.raises(Unconvertible, match="estimator 'a' hands the names of classes to the final"):
        prove(model, IRIS)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 12), st.integers(2, 5), st.integers(1, 4), st.integers(0, 2**31 - 1))
def test_any_bagging(members: int, classes: int, features: int, seed: int) -> None:
    """Members that never saw some class, features drawn twice."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 4)).round(1), rng.integers(0, classes, 30)
    options = {"max_samples": 6, "max_features": features, "bootstrap_features": bool(seed % 2)}
    model = BaggingClassifier(n_estimators=members, random_state=seed, **options).fit(X, y)
    assert prove(model, around(model, X, 100, seed))[1:] == (0, 0, 0.0)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 12), st.integers(0, 2**31 - 1))
def test_any_weighted_median(members: int, seed: int) -> None:
    """Equal values and equal weights included."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 3)).round(1), rng.integers(0, 3, 30).astype(float)
    model = AdaBoostRegressor(
        DecisionTreeRegressor(max_depth=2), n_estimators=members, random_state=seed % 1000
    )
    model.fit(X, y)
    assert prove(model, around(model, X, 100, seed))[1:] == (0, 0, 0.0)
