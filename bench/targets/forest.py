"""The model that every target serves: a scikit-learn forest of 200 trees on the iris data.

``python -m bench.targets.forest FOLDER`` writes it with the labels that it gives itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from bench.targets.flowers import read_flowers

JOBLIB, LABELS = "forest.joblib", "labels.json"


def forest_200() -> RandomForestClassifier:
    """Fitted; the same every time."""
    flowers = read_flowers()
    forest = RandomForestClassifier(n_estimators=200, random_state=0)
    return forest.fit(np.array(flowers.rows), np.array(flowers.species))


def write(folder: Path) -> None:
    """The forest, and its own label of each row: what every target must answer."""
    forest = forest_200()
    joblib.dump(forest, folder / JOBLIB)
    labels = forest.predict(np.array(read_flowers().rows)).tolist()
    (folder / LABELS).write_text(json.dumps(labels), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
