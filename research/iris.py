"""The iris data: 150 flowers, four lengths in cm, three species."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from convert.sources.carding import fingerprint
from convert.sources.histogram import of_numbers
from registry.manifest import Dtype, Feature, Signature, TrainingData

EXAMPLE = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
FEATURES = tuple(EXAMPLE)
CLASSES = ("setosa", "versicolor", "virginica")
MINIMUM_CM, MAXIMUM_CM = 0.0, 30.0
"""No part of an iris flower is longer; the largest value in the data is 7.9."""


@dataclass(frozen=True)
class Dataset:
    """Rows with their labels."""

    X: NDArray[np.float64]
    """``(150, 4) float64``, cm, columns as in ``FEATURES``."""
    y: NDArray[np.int64]
    """``(150,) int64``, index into ``CLASSES``."""


def dataset() -> Dataset:
    """The 150 rows in their published order."""
    X, y = load_iris(return_X_y=True)
    return Dataset(np.ascontiguousarray(X, np.float64), y.astype(np.int64))


def signature(dtype: Dtype) -> Signature:
    """What a model of this data takes and answers; ``dtype`` is the one that the model compares in."""
    features = tuple(
        Feature(
            name=name,
            dtype=dtype,
            unit="cm",
            description=f"{name.replace('_', ' ').capitalize()} of the flower",
            minimum=MINIMUM_CM,
            maximum=MAXIMUM_CM,
            example=example,
        )
        for name, example in EXAMPLE.items()
    )
    return Signature(features=features, classes=CLASSES)


def training_data(data: Dataset) -> TrainingData:
    """Name, size and digest of the rows, and what each feature looked like."""
    histograms = tuple(of_numbers(name, data.X[:, number]) for number, name in enumerate(FEATURES))
    digest = fingerprint(data.X, data.y)
    return TrainingData(name="iris", rows=len(data.y), sha256=digest, histograms=histograms)


def write_csv(data: Dataset, path: Path) -> None:
    """The rows with a header and the species as last column, for ``mps convert --data``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FEATURES, "species"])
        for row, label in zip(data.X.tolist(), data.y, strict=True):
            writer.writerow([*row, CLASSES[label]])
