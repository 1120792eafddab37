"""The trained model as the judge: what it answers is right, whatever it is."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import sklearn
import xgboost
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from convert.errors import SourceError
from convert.rules import RuleList


class Oracle:
    """Answers of one fitted classifier, labels as indices, always on one thread."""

    def __init__(self, estimator: Any) -> None:
        """Take a private copy, so that nothing is changed under the caller.

        Raises:
            SourceError: the estimator is not fitted, or not a classifier with one output and probabilities.
        """
        estimator = getattr(estimator, "best_estimator_", estimator)  # what a finished search serves
        self.describe, self.classes, self.n_features = _examine(estimator)
        self.names = _fitted_names(estimator)
        """Names of the columns that the estimator was fitted on, where it knows them."""
        self.estimator = _single_threaded(estimator)
        self._exact_classes = list(getattr(estimator, "classes_", range(len(self.classes))))

    def labels(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class index of each row, ``(n, features) float64`` to ``(n,) int64``."""
        found = self._quietly("predict", rows)
        if isinstance(self.estimator, RuleList):
            return found
        index = {label: number for number, label in enumerate(self._exact_classes)}
        return np.array([index[label] for label in found.tolist()], np.int64)

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(n, features) float64`` to ``(n, classes) float64``; float32 answers are widened, not changed."""
        return self._quietly("predict_proba", rows).astype(np.float64)

    def _quietly(self, method: str, rows: NDArray[np.float64]) -> NDArray[Any]:
        with warnings.catch_warnings():
            # The estimator may have been fitted on named columns; whoever asks compares ``names``.
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            answer: NDArray[Any] = getattr(self.estimator, method)(rows)
        return answer


def _fitted_names(estimator: Any) -> tuple[str, ...] | None:
    if isinstance(estimator, RuleList):
        return estimator.features
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _examine(estimator: Any) -> tuple[str, tuple[str, ...], int]:
    if isinstance(estimator, RuleList):
        return f"rule list of {len(estimator.rules)} rules", estimator.classes, len(estimator.features)
    kind = type(estimator).__name__
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict_proba") and is_classifier(estimator)):
        raise SourceError(f"{kind} is not a classifier with probabilities; only those can be served")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise SourceError(f"this {kind} is not fitted; call fit before saving it") from None
    if isinstance(estimator.classes_, list):
        raise SourceError(f"this {kind} has {len(estimator.classes_)} outputs; only one can be served")
    features = getattr(estimator, "n_features_in_", None)
    if features is None:
        raise SourceError(f"this {kind} does not say how many features it takes (n_features_in_)")
    library = xgboost if isinstance(estimator, xgboost.XGBModel) else sklearn
    title = "xgboost" if library is xgboost else "scikit-learn"
    classes = tuple(str(label) for label in estimator.classes_)
    return f"{title} {library.__version__} {kind}", classes, int(features)


def _single_threaded(estimator: Any) -> Any:
    """Threads of a forest add up in any order, which changes last bits from call to call."""
    if isinstance(estimator, RuleList):
        return estimator
    alone = copy.deepcopy(estimator)
    threads = [name for name in alone.get_params() if name.split("__")[-1] == "n_jobs"]
    alone.set_params(**dict.fromkeys(threads, 1))
    if isinstance(alone, xgboost.XGBModel):
        alone.get_booster().feature_names = None  # rows come in signature order, without names
    return alone
