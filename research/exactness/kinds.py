"""The kinds of model of the study: what users train, with settings that are nobody's favourite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

from registry.manifest import Task
from research.experiment import Experiment
from research.experiments import EXPERIMENTS

ALL_ROWS = 1_000_000
FAMILIES = SHIPPED, TREES, XGBOOST, BOOSTING, PIPELINES, NUMERIC, SPECIAL = (
    "the models that ship",
    "trees and forests",
    "XGBoost",
    "gradient boosting",
    "pipelines",
    "linear, kernel, network, committee",
    "categories and labels",
)


@dataclass(frozen=True)
class Kind:
    """One kind of model."""

    name: str
    family: str
    task: Task
    make: Callable[[], Any]
    """A fresh estimator."""
    rows: int = ALL_ROWS
    """At most so many are fitted on; of some kinds the graph holds every one of them."""
    holes: bool = False
    """Fitted on rows with missing values."""
    positive: bool = False
    """Fitted on values above 0."""
    categories: Literal["", "codes", "words"] = ""
    """What the first two features are turned into: five categories, told by whole numbers or by words."""
    tables: tuple[str, ...] = ()
    """The only ones that it is for; none: all of its task."""
    labels: Literal["", "words", "booleans"] = ""
    """What the classes are called instead of 0, 1, …"""


SEED: dict[str, Any] = {"random_state": 0}
FEW: dict[str, Any] = {"n_estimators": 50, "random_state": 0}
BOOSTED: dict[str, Any] = {"n_estimators": 50, "max_depth": 4, "n_jobs": 1, "random_state": 0}
LEAVES: dict[str, Any] = {"n_estimators": 50, "verbose": -1, "n_jobs": 1, "random_state": 0}
SMALL = ("iris", "wine", "breast_cancer", "diabetes")
"""For kinds whose graph or trainer takes long for a row, or whose thresholds only the trainer can tell."""
C: Task = "classification"
R: Task = "regression"


def with_products(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derived features, as people write them."""
    return np.column_stack([X, X[:, 0] * X[:, 1], X[:, 2] - X[:, 3]])


def _derived(estimator: Any) -> Any:
    return make_pipeline(FunctionTransformer(with_products), estimator)


def _scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def _columns(estimator: Any) -> Any:
    parts = [("scaled", StandardScaler(), [0, 1]), ("ranged", MinMaxScaler(), [3, 2])]
    return make_pipeline(ColumnTransformer(parts, remainder="passthrough"), estimator)


@dataclass(frozen=True)
class Shipped:
    """An experiment as if it were an estimator."""

    experiment: Experiment

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> Any:
        """The fitted model."""
        return self.experiment.fit(X, y)


def _shipped() -> Iterator[Kind]:
    for name, experiment in EXPERIMENTS.items():
        yield Kind(f"iris {name}", SHIPPED, C, partial(Shipped, experiment), tables=("iris",))


def _trees() -> Iterator[Kind]:
    for task, kinds in (
        (C, (tree.DecisionTreeClassifier, ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier)),
        (R, (tree.DecisionTreeRegressor, ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor)),
    ):
        single, *forests = kinds
        yield Kind(single.__name__, TREES, task, partial(single, max_depth=8, **SEED))
        for forest in forests:
            yield Kind(forest.__name__, TREES, task, partial(forest, max_depth=8, **FEW))
    shallow, bagging = ensemble.RandomForestClassifier, ensemble.BaggingClassifier
    yield Kind("RandomForestClassifier, full depth", TREES, C, partial(shallow, **FEW))
    yield Kind("RandomForestClassifier, missing values", TREES, C, partial(shallow, **FEW), holes=True)
    yield Kind("BaggingClassifier", TREES, C, partial(bagging, n_estimators=20, **SEED))
    yield Kind("BaggingRegressor", TREES, R, partial(ensemble.BaggingRegressor, n_estimators=20, **SEED))


def _xgboost() -> Iterator[Kind]:
    yield Kind("XGBClassifier", XGBOOST, C, partial(XGBClassifier, **BOOSTED))
    yield Kind("XGBClassifier, missing values", XGBOOST, C, partial(XGBClassifier, **BOOSTED), holes=True)
    dart = partial(XGBClassifier, booster="dart", rate_drop=0.2, **BOOSTED)
    yield Kind("XGBClassifier, dart", XGBOOST, C, dart)
    yield Kind("XGBRFClassifier", XGBOOST, C, partial(XGBRFClassifier, **BOOSTED))
    yield Kind("XGBRegressor", XGBOOST, R, partial(XGBRegressor, **BOOSTED))
    poisson = partial(XGBRegressor, objective="count:poisson", **BOOSTED)
    yield Kind("XGBRegressor, count:poisson", XGBOOST, R, poisson, positive=True)


def _boosting() -> Iterator[Kind]:
    gradient, histogram = ensemble.GradientBoostingClassifier, ensemble.HistGradientBoostingClassifier
    yield Kind("GradientBoostingClassifier", BOOSTING, C, partial(gradient, **FEW), rows=5_000)
    yield Kind("GradientBoostingRegressor", BOOSTING, R, partial(ensemble.GradientBoostingRegressor, **FEW))
    rounds: dict[str, Any] = {"max_iter": 50, "random_state": 0}
    yield Kind("HistGradientBoostingClassifier", BOOSTING, C, partial(histogram, **rounds))
    missing = "HistGradientBoostingClassifier, missing values"
    yield Kind(missing, BOOSTING, C, partial(histogram, **rounds), holes=True)
    regressor = ensemble.HistGradientBoostingRegressor
    yield Kind("HistGradientBoostingRegressor", BOOSTING, R, partial(regressor, **rounds))
    yield Kind("LGBMClassifier", BOOSTING, C, partial(LGBMClassifier, **LEAVES))
    yield Kind("LGBMClassifier, missing values", BOOSTING, C, partial(LGBMClassifier, **LEAVES), holes=True)
    yield Kind("LGBMRegressor", BOOSTING, R, partial(LGBMRegressor, **LEAVES))
    yield Kind("AdaBoostClassifier", BOOSTING, C, partial(ensemble.AdaBoostClassifier, **FEW), rows=5_000)


def _pipelines() -> Iterator[Kind]:
    forest = partial(ensemble.RandomForestClassifier, max_depth=8, **FEW)
    boosted = partial(XGBClassifier, **BOOSTED)
    yield Kind("StandardScaler → RandomForest", PIPELINES, C, lambda: _scaled(forest()))
    yield Kind("StandardScaler → XGBClassifier", PIPELINES, C, lambda: _scaled(boosted()))
    ranged = partial(make_pipeline, MinMaxScaler())
    yield Kind("MinMaxScaler → LGBMClassifier", PIPELINES, C, lambda: ranged(LGBMClassifier(**LEAVES)))
    yield Kind("PCA → RandomForest", PIPELINES, C, lambda: make_pipeline(PCA(3), forest()))
    imputed = partial(make_pipeline, SimpleImputer())
    yield Kind("SimpleImputer → RandomForest", PIPELINES, C, lambda: imputed(forest()), holes=True)
    yield Kind("derived features → RandomForest", PIPELINES, C, lambda: _derived(forest()))
    yield Kind("derived features → XGBClassifier", PIPELINES, C, lambda: _derived(boosted()))
    yield Kind("ColumnTransformer → XGBClassifier", PIPELINES, C, lambda: _columns(boosted()))
    regressor = partial(ensemble.RandomForestRegressor, max_depth=8, **FEW)
    yield Kind("StandardScaler → RandomForestRegressor", PIPELINES, R, lambda: _scaled(regressor()))


def _numeric() -> Iterator[Kind]:
    logistic = partial(linear_model.LogisticRegression, max_iter=5_000)
    network: dict[str, Any] = {"hidden_layer_sizes": (20,), "max_iter": 1_000, "random_state": 0}
    few = partial(ensemble.RandomForestClassifier, n_estimators=10, max_depth=5, **SEED)
    members = [("forest", few()), ("logistic", _scaled(logistic()))]
    for task, name, make, tables in (
        (C, "LogisticRegression", logistic, ()),
        (R, "Ridge", linear_model.Ridge, ()),
        (R, "Lasso", linear_model.Lasso, ()),
        (C, "LinearSVC", svm.LinearSVC, SMALL),
        (C, "SVC, rbf", svm.SVC, SMALL),
        (R, "SVR, rbf", svm.SVR, SMALL),
        (C, "MLPClassifier", partial(neural_network.MLPClassifier, **network), SMALL),
        (R, "MLPRegressor", partial(neural_network.MLPRegressor, **network), SMALL),
        (C, "KNeighborsClassifier", neighbors.KNeighborsClassifier, SMALL),
        (R, "KNeighborsRegressor", neighbors.KNeighborsRegressor, SMALL),
        (C, "CalibratedClassifierCV, sigmoid", lambda: CalibratedClassifierCV(few()), SMALL),
        (
            C,
            "CalibratedClassifierCV, isotonic",
            lambda: CalibratedClassifierCV(few(), method="isotonic"),
            SMALL,
        ),
    ):
        yield Kind(name, NUMERIC, task, partial(_wrapped, make), tables=tables)
    yield Kind("GaussianNB", NUMERIC, C, naive_bayes.GaussianNB)
    voting, stacking = ensemble.VotingClassifier, ensemble.StackingClassifier
    yield Kind("VotingClassifier, soft", NUMERIC, C, lambda: voting(members, voting="soft"), tables=SMALL)
    yield Kind("VotingClassifier, hard", NUMERIC, C, lambda: voting(members, voting="hard"), tables=SMALL)
    yield Kind("StackingClassifier", NUMERIC, C, lambda: stacking(members, logistic(), cv=3), tables=SMALL)


def _special() -> Iterator[Kind]:
    """Categories that a trainer splits on by itself, words, and classes that are no numbers."""
    codes: Any = {"categories": "codes", "tables": SMALL}
    gradient = ensemble.HistGradientBoostingClassifier
    histogram = partial(gradient, max_iter=30, categorical_features=[0, 1], **SEED)
    leaves = partial(LGBMClassifier, categorical_feature=[0, 1], **LEAVES)
    boosted = partial(XGBClassifier, enable_categorical=True, tree_method="hist", **BOOSTED)
    yield Kind("HistGradientBoostingClassifier, categories", SPECIAL, C, histogram, **codes)
    yield Kind("LGBMClassifier, categories", SPECIAL, C, leaves, **codes)
    yield Kind("XGBClassifier, categories", SPECIAL, C, boosted, **codes)
    forest = partial(ensemble.RandomForestClassifier, max_depth=8, **FEW)
    words = ColumnTransformer([("words", OneHotEncoder(), [0, 1])], remainder=StandardScaler())
    encoded = partial(make_pipeline, words)
    mixed = "one-hot words and numbers → RandomForest"
    yield Kind(mixed, SPECIAL, C, lambda: encoded(forest()), categories="words", tables=SMALL)
    yield Kind("RandomForestClassifier, text labels", SPECIAL, C, forest, labels="words", tables=SMALL)
    yield Kind("RandomForestClassifier, boolean labels", SPECIAL, C, forest, labels="booleans", tables=SMALL)


def _wrapped(make: Callable[[], Any]) -> Any:
    """Behind a scaler, which most of them need."""
    return _scaled(make())


KINDS: tuple[Kind, ...] = (
    *_shipped(),
    *_trees(),
    *_xgboost(),
    *_boosting(),
    *_pipelines(),
    *_numeric(),
    *_special(),
)
