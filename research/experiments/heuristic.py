"""Two rules that a botanist could remember; only their class frequencies are fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.sources.rules import Answer, Rule, RuleList, save
from research.experiment import Experiment
from research.iris import CLASSES, FEATURES

PETAL_LENGTH_CM = 2.45
PETAL_WIDTH_CM = 1.75


def _counts(labels: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=len(CLASSES)).tolist())


def _fit(X: NDArray[np.float64], y: NDArray[np.int64]) -> RuleList:
    short = X[:, FEATURES.index("petal_length")] < PETAL_LENGTH_CM
    narrow = X[:, FEATURES.index("petal_width")] < PETAL_WIDTH_CM
    first, second, rest = _counts(y[short]), _counts(y[~short & narrow]), _counts(y[~short & ~narrow])
    return RuleList(
        features=FEATURES,
        classes=CLASSES,
        rules=(
            Rule(feature="petal_length", below=PETAL_LENGTH_CM, answer="setosa", counts=first),
            Rule(feature="petal_width", below=PETAL_WIDTH_CM, answer="versicolor", counts=second),
        ),
        otherwise=Answer(answer="virginica", counts=rest),
    )


EXPERIMENT = Experiment(
    name="heuristic",
    description="Petal shorter than 2.45 cm: setosa; else narrower than 1.75 cm: versicolor; else virginica",
    dtype="float64",
    file="heuristic.json",
    fit=_fit,
    save=save,
)
