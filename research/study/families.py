"""What each family is in terms of its library, and how its fitted model is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from convert.sources.rules import Answer, Rule, RuleList
from convert.sources.rules import save as save_rules
from convert.sources.table import listing
from registry.manifest import Task
from research.study.errors import StudyError
from research.study.rows import Rows
from research.study.specification import Family, RuleText, kind_of

ESTIMATORS: Mapping[tuple[str, Task], Any] = {
    ("linear", "classification"): LogisticRegression,
    ("linear", "regression"): LinearRegression,
    ("decision_tree", "classification"): DecisionTreeClassifier,
    ("decision_tree", "regression"): DecisionTreeRegressor,
    ("random_forest", "classification"): RandomForestClassifier,
    ("random_forest", "regression"): RandomForestRegressor,
    ("xgboost", "classification"): XGBClassifier,
    ("xgboost", "regression"): XGBRegressor,
}
INTERPRETABILITY = {
    "heuristic": "full: a person wrote the rules and can recite them",
    "linear": "high: one weight per feature",
    "decision_tree": "high: the whole model is one picture",
    "random_forest": "low: a hundred trees vote; contributions per answer",
    "xgboost": "low: sums of small trees; contributions per answer",
}


class Heuristic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Rules of a person; only how often each is right is fitted."""

    def __init__(
        self,
        features: tuple[str, ...] = (),
        classes: tuple[str, ...] = (),
        rules: tuple[RuleText, ...] = (),
        otherwise: str = "",
    ) -> None:
        """Keep what scikit-learn's ``clone`` copies."""
        self.features = features
        self.classes = classes
        self.rules = rules
        self.otherwise = otherwise

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> Self:
        """Count the classes that reach each rule.

        Raises:
            StudyError: a rule is not right for most of the rows that reach it.
        """
        left = np.ones(len(y), np.bool_)
        rules = []
        for rule in self.rules:
            holds = left & (X[:, self.features.index(rule.feature)] < rule.below)
            counts = self._counts(y[holds])
            rules.append((rule, counts))
            left &= ~holds
        try:
            self.list_ = RuleList(
                features=self.features,
                classes=self.classes,
                rules=tuple(
                    Rule(feature=rule.feature, below=rule.below, answer=rule.answer, counts=counts)
                    for rule, counts in rules
                ),
                otherwise=Answer(answer=self.otherwise, counts=self._counts(y[left])),
            )
        except ValueError as error:
            raise StudyError(f"the rules of a heuristic do not fit the rows: {error}") from None
        self.classes_ = np.arange(len(self.classes))
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """``(n, features)`` to class indices ``(n,)``."""
        return self.list_.predict(X)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(n, features)`` to class frequencies ``(n, classes)``."""
        return self.list_.predict_proba(X)

    def _counts(self, labels: NDArray[np.int64]) -> tuple[int, ...]:
        return tuple(np.bincount(labels, minlength=len(self.classes)).tolist())


def usual(rows: Rows) -> dict[str, Family]:
    """Every kind that needs no person and can learn from these rows."""
    holes = bool(np.isnan(rows.X).any())
    kinds = dict.fromkeys(kind for kind, _ in ESTIMATORS)
    return {kind: Family() for kind in kinds if not (kind == "linear" and holes)}


def estimator(name: str, family: Family, rows: Rows, seed: int) -> Any:
    """An unfitted estimator: one thread, and the study's seed where chance has a part.

    Raises:
        StudyError: the family, its rules or its parameters do not fit the rows.
    """
    kind = kind_of(name, family)
    if kind == "heuristic":
        return _heuristic(name, family, rows)
    if family.rules or family.otherwise:
        raise StudyError(f"families.{name}: rules are for a heuristic, and this is a {kind}")
    made = ESTIMATORS[kind, rows.task]()
    known = made.get_params()
    for key in (*family.parameters, *family.grid):
        if key not in known or key in ("n_jobs", "random_state"):
            raise StudyError(
                f"families.{name}: no parameter {key!r} to set; there are: {listing(sorted(known))}"
            )
    if kind == "linear" and np.isnan(rows.X).any():
        raise StudyError(f"families.{name}: a linear model takes no missing values; leave it out")
    fixed = {"n_jobs": 1, "random_state": seed}
    given = {key: value for key, value in fixed.items() if key in known and kind != "linear"}
    made.set_params(**given, **family.parameters)
    return make_pipeline(StandardScaler(), made) if kind == "linear" else made


def grid(name: str, family: Family, made: Any) -> dict[str, list[Any]]:
    """The grid in the words of the estimator that ``estimator`` made: steps of a pipeline have a prefix."""
    if kind_of(name, family) != "linear":
        return dict(family.grid)
    step = made.steps[-1][0]
    return {f"{step}__{key}": values for key, values in family.grid.items()}


def save(model: Any, folder: Path, name: str) -> Path:
    """Write a fitted model as ``mps convert`` reads it: the same bytes for the same model."""
    if isinstance(model, Heuristic):
        save_rules(model.list_, path := folder / f"{name}.json")
    elif isinstance(model, XGBClassifier | XGBRegressor):
        path = folder / f"{name}.json"
        path.write_bytes(model.get_booster().save_raw("json"))
    else:
        joblib.dump(model, path := folder / f"{name}.joblib")
    return path


def _heuristic(name: str, family: Family, rows: Rows) -> Heuristic:
    if rows.task != "classification":
        raise StudyError(f"families.{name}: a heuristic names classes, and this is a regression")
    if family.parameters or family.grid:
        raise StudyError(f"families.{name}: a heuristic has rules and 'otherwise', no parameters and no grid")
    if not family.rules or not family.otherwise:
        raise StudyError(f"families.{name}: expected one or more rules, and 'otherwise'")
    for rule in family.rules:
        if rule.feature not in rows.features:
            raise StudyError(
                f"families.{name}: no feature {rule.feature!r}; there are: {listing(rows.features)}"
            )
    for answer in (*(rule.answer for rule in family.rules), family.otherwise):
        if answer not in rows.classes:
            raise StudyError(f"families.{name}: no class {answer!r}; there are: {listing(rows.classes)}")
    return Heuristic(rows.features, rows.classes, family.rules, family.otherwise)
