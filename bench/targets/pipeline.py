"""A model whose rows have words and numbers, so that each column goes in by itself: a scikit-learn pipeline.

``python -m bench.targets.pipeline FOLDER`` writes its rows, and some with the labels that it gives itself.
"""

from __future__ import annotations

import csv
import json
import sys
from math import nan
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

JOBLIB, ROWS, ASKED, TARGET = "pipeline.joblib", "rows.csv", "asked.json", "y"
ROW_COUNT, ASKED_COUNT, MISSING_SHARE, NOISE = 2_000, 50, 0.02, 0.5
CHOICES = ("amber", "blue", "coral", "denim")
WORDS = tuple(f"word_{index}" for index in range(5))
NUMBERS = tuple(f"number_{index}" for index in range(10))
FEATURES = WORDS + NUMBERS
Cell = str | float | None


class Rows(NamedTuple):
    """Seeded: the same every time."""

    cells: list[list[Cell]]
    """Of the features, in their order; None is missing."""
    labels: list[int]
    """What is to be learned: 0 or 1."""

    def matrix(self) -> NDArray[np.object_]:
        """As the trainer takes them, ``(rows, features) object``; NaN is missing."""
        return np.array([[nan if cell is None else cell for cell in row] for row in self.cells], np.object_)


def rows() -> Rows:
    """2,000 rows; some numbers of them are missing."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(ROW_COUNT, len(NUMBERS))).round(3)
    words = random.choice(CHOICES, size=(ROW_COUNT, len(WORDS)))
    missing = random.random(numbers.shape) < MISSING_SHARE
    noise = random.normal(scale=NOISE, size=ROW_COUNT)
    score = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (words[:, 0] == CHOICES[0]) + noise
    holed = numbers.astype(np.object_)
    holed[missing] = None
    cells = [[*some, *others] for some, others in zip(words.tolist(), holed.tolist(), strict=True)]
    return Rows(cells, (score > 0).astype(int).tolist())


def pipeline() -> Pipeline:
    """Fitted; the same every time."""
    data = rows()
    columns = ColumnTransformer(
        [
            ("words", OneHotEncoder(), list(range(len(WORDS)))),
            (
                "numbers",
                make_pipeline(SimpleImputer(), StandardScaler()),
                list(range(len(WORDS), len(FEATURES))),
            ),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=500)).fit(data.matrix(), data.labels)


def write(folder: Path) -> None:
    """The pipeline, its rows, and what it says itself of the first 50 of them."""
    data, model = rows(), pipeline()
    joblib.dump(model, folder / JOBLIB)
    with (folder / ROWS).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*FEATURES, TARGET])
        table.writerows([*row, label] for row, label in zip(data.cells, data.labels, strict=True))
    said = model.predict(data.matrix()[:ASKED_COUNT]).tolist()
    asked = [
        {"row": dict(zip(FEATURES, row, strict=True)), "label": label}
        for row, label in zip(data.cells[:ASKED_COUNT], said, strict=True)
    ]
    (folder / ASKED).write_text(json.dumps(asked), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
