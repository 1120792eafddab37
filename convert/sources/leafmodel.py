"""A model that LightGBM wrote to a text file, as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightgbm import Booster
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from convert.errors import SourceError, Unconvertible

TWO = ("binary",)
SEVERAL = ("multiclass", "multiclassova")


class _LeafModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What both kinds have in common: a booster that was trained already."""

    trained_by = "lightgbm"

    def __init__(self, booster: Booster) -> None:
        self.booster = booster

    @property
    def booster_(self) -> Booster:
        """The booster, under the name that LightGBM's own estimators give it."""
        return self.booster

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        features: int = self.booster.num_feature()
        return features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the features, if they have any: LightGBM calls them ``Column_0`` … where they have not."""
        names = self.booster.feature_name()
        if names == [f"Column_{number}" for number in range(len(names))]:
            raise AttributeError("the features have no names")
        return np.array(names, object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, rows: Any, labels: Any = None) -> Any:
        """A file cannot be trained further here.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a {type(self).__name__} was trained already, by LightGBM")

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        """What the objective makes of the sums: ``(n,)``, or ``(n, classes)``. Features are told by place."""
        found = self.booster.predict(np.asarray(rows, np.float64), num_threads=1)
        return np.asarray(found, np.float64)


class LeafClassifier(ClassifierMixin, _LeafModel):  # type: ignore[misc]  # scikit-learn ships no types
    """Classes are told by number: the file does not name them."""

    @property
    def classes_(self) -> NDArray[np.int64]:
        """``0 … K - 1``."""
        return np.arange(max(2, self.booster.num_model_per_iteration()))

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """``(n, classes)``"""
        answers = self._answers(rows)
        return np.stack([1 - answers, answers], axis=1) if answers.ndim == 1 else answers

    def predict(self, rows: Any) -> NDArray[np.int64]:
        """The class of the largest probability, the first of equals, as LightGBM's own classifier."""
        found: NDArray[np.int64] = self.predict_proba(rows).argmax(axis=1)
        return found


class LeafRegressor(RegressorMixin, _LeafModel):  # type: ignore[misc]  # scikit-learn ships no types
    """One value per row."""

    def predict(self, rows: Any) -> NDArray[np.float64]:
        """``(n,)``"""
        return self._answers(rows)


def from_booster(booster: Booster) -> LeafClassifier | LeafRegressor:
    """A trained booster as an estimator, cut off at its best iteration.

    Raises:
        SourceError: it was trained to rank.
        Unconvertible: its objective is a custom one.
    """
    return from_text(booster.model_to_string())


def from_text(text: str) -> LeafClassifier | LeafRegressor:
    """What a model file of LightGBM holds.

    Raises:
        SourceError: the text is no such file, or the model was trained to rank.
        Unconvertible: its objective is a custom one.
    """
    if not text.startswith("tree\n"):
        raise SourceError("this is no text file of a LightGBM model; write one with Booster.save_model")
    objective = _objective(text)
    if objective.startswith(("lambdarank", "rank_")):
        raise SourceError(f"the LightGBM objective {objective} ranks rows; such scores are not served")
    if not objective:
        raise Unconvertible(
            "this LightGBM model was trained with a custom objective, which is not part of the file, nor is "
            "what its sums mean; train with one of LightGBM's own"
        )
    try:
        booster = Booster(model_str=text)
    except LightGBMError as error:
        raise SourceError(f"LightGBM refuses this model: {error}") from None
    return LeafClassifier(booster) if objective in (*TWO, *SEVERAL) else LeafRegressor(booster)


def _objective(text: str) -> str:
    """Its name, without options; empty where there is none."""
    header = text.split("\nTree=", 1)[0]
    lines = [line for line in header.splitlines() if line.startswith("objective=")]
    return lines[0].partition("=")[2].split()[0] if lines else ""
