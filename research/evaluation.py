"""How good a model is: on the rows it saw, and on rows it did not see."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.model_selection import StratifiedKFold

from registry.manifest import Metric
from research.experiment import Classifier, Experiment
from research.iris import Dataset
from research.validation.intervals import wilson

FOLDS, SEED = 10, 0
TRAINING, CROSS_VALIDATED = "training_accuracy", "cross_validated_accuracy"


def training_accuracy(model: Classifier, data: Dataset) -> Metric:
    """Share of right answers on the very rows that the model was fitted on."""
    value = float((model.predict(data.X) == data.y).mean())
    return Metric(
        name=TRAINING, value=value, method=f"on the {len(data.y)} rows that the model was fitted on"
    )


def cross_validated_accuracy(experiment: Experiment, data: Dataset, folds: Iterable[Fold]) -> Metric:
    """Share of right answers when each row is answered by a model that was fitted without its fold.

    With its interval, unlike the accuracy on the training rows, which is no estimate of anything to come.
    """
    right = 0
    for train, test in folds:
        model = experiment.fit(data.X[train], data.y[train])
        right += int((model.predict(data.X[test]) == data.y[test]).sum())
    method = (
        f"stratified {FOLDS}-fold cross-validation, shuffled with seed {SEED}, all held-out rows together; "
        "Wilson interval"
    )
    low, high = wilson(right, len(data.y))
    return Metric(name=CROSS_VALIDATED, value=right / len(data.y), method=method, low=low, high=high)


Fold = tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]
"""Row numbers to fit on, and to answer."""


def split(data: Dataset) -> list[Fold]:
    """The ten folds, always the same."""
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(data.X, data.y))
