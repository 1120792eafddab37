"""The trained model as the judge: what it answers is right, whatever it is."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from convert.coding import Coding, Matrix
from convert.errors import Refused, SourceError, one_line
from convert.sources.rules import RuleList
from registry.manifest import Label, Task


class Oracle:
    """Answers of one fitted estimator, labels as indices, always on one thread."""

    def __init__(self, estimator: Any, coding: Coding | None = None) -> None:
        """Take a private copy, so that nothing is changed under the caller.

        ``coding`` is needed where strings are among the features, and gives these their names.

        Raises:
            SourceError: the estimator is not fitted, or none that can be served.
        """
        estimator = getattr(estimator, "best_estimator_", estimator)  # what a finished search serves
        self.describe, self.classes, self.n_features = _examine(estimator)
        self.task: Task = "classification" if self.classes else "regression"
        self.names = _fitted_names(estimator)
        """Names of the columns that the estimator was fitted on, where it knows them."""
        self.estimator = _single_threaded(estimator)
        self.has_probabilities = bool(self.classes) and hasattr(estimator, "predict_proba")
        self.coding = coding or Coding(self.names or tuple(f"f{n}" for n in range(self.n_features)))
        self._index = {label: number for number, label in enumerate(self.classes)}
        self._wants_frame = self.names is not None and not isinstance(estimator, RuleList)

    def labels(self, rows: Matrix) -> NDArray[np.int64]:
        """Class index of each row, ``(n, features) float64`` to ``(n,) int64``; ``(0,)`` for a regression."""
        if not self.classes:
            return np.empty(0, np.int64)
        found = self._quietly("predict", rows)
        if isinstance(self.estimator, RuleList):
            return found
        return np.array([self._index[label] for label in found.tolist()], np.int64)

    def numbers(self, rows: Matrix) -> Matrix:
        """Class probabilities ``(n, classes)``, or values ``(n, 1)`` of a regression, or ``(n, 0)``, float64.

        float32 answers are widened, not changed.
        """
        if not self.classes:
            return self._quietly("predict", rows).astype(np.float64).reshape(len(rows), -1)
        if not self.has_probabilities:
            return np.empty((len(rows), 0))
        return self._quietly("predict_proba", rows).astype(np.float64)

    def accepts(self, rows: Matrix) -> bool:
        """Whether the model answers these rows at all; many refuse missing or infinite values."""
        try:
            self._quietly("predict", rows)
        except Refused:
            return False
        return True

    def _quietly(self, method: str, rows: Matrix) -> NDArray[Any]:
        asked = self.coding.frame(rows) if self._wants_frame else self.coding.rows(rows)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # about names, overflow and features that are to come
                return np.asarray(getattr(self.estimator, method)(asked))
        except Exception as error:  # every library refuses in its own way
            raise Refused(f"the trained model refuses rows: {one_line(error)}") from error


def _fitted_names(estimator: Any) -> tuple[str, ...] | None:
    if isinstance(estimator, RuleList):
        return estimator.features
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _examine(estimator: Any) -> tuple[str, tuple[Label, ...], int]:
    if isinstance(estimator, RuleList):
        return f"rule list of {len(estimator.rules)} rules", estimator.classes, len(estimator.features)
    kind = type(estimator).__name__
    if not _predicts(estimator):
        raise SourceError(f"{kind} is neither a classifier nor a regressor; only those can be served")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise SourceError(f"this {kind} is not fitted; call fit before saving it") from None
    outputs = getattr(estimator, "n_outputs_", 1)
    if not is_classifier(estimator) and outputs > 1:
        raise SourceError(_several(kind, outputs))
    features = getattr(estimator, "n_features_in_", None)
    if features is None:
        raise SourceError(f"this {kind} does not say how many features it takes (n_features_in_)")
    classes = _classes(estimator, kind) if is_classifier(estimator) else ()
    return f"{_library(estimator)} {kind}", classes, int(features)


def _predicts(estimator: Any) -> bool:
    """Whether it is one of scikit-learn's kind that is made to predict."""
    try:
        return hasattr(estimator, "predict") and bool(is_classifier(estimator) or is_regressor(estimator))
    except (AttributeError, TypeError):  # it has no tags: none of their kind
        return False


def _classes(estimator: Any, kind: str) -> tuple[Label, ...]:
    if isinstance(estimator.classes_, list):
        raise SourceError(_several(kind, len(estimator.classes_)))
    if np.asarray(estimator.classes_).dtype.kind in "mM":
        raise SourceError("the classes are times; fit it on strings or numbers instead")
    classes = tuple(np.asarray(estimator.classes_).tolist())
    if strange := [label for label in classes if not isinstance(label, str | bool | int | float)]:
        raise SourceError(f"class {strange[0]!r} is neither a string, a boolean nor a number")
    return classes


def _several(kind: str, outputs: int) -> str:
    return f"this {kind} has {outputs} outputs; only one can be served: fit one model per output"


def _library(estimator: Any) -> str:
    """Name and version of what trained it; the package is the first part of the class's module."""
    package = getattr(estimator, "trained_by", type(estimator).__module__.partition(".")[0])
    if package in ("xgboost", "lightgbm"):
        return f"{package} {__import__(package).__version__}"
    return f"scikit-learn {sklearn.__version__}"


def _single_threaded(estimator: Any) -> Any:
    """Threads of a forest add up in any order, which changes last bits from call to call."""
    if isinstance(estimator, RuleList):
        return estimator
    alone = copy.deepcopy(estimator)
    threads = [name for name in alone.get_params() if name.split("__")[-1] == "n_jobs"]
    alone.set_params(**dict.fromkeys(threads, 1))
    return alone
