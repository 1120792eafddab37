"""Trains one experiment: model file, and the card that goes with it."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from registry.manifest import Card, encode
from research.evaluation import FOLDS, cross_validated_accuracy, split, training_accuracy
from research.experiment import Experiment
from research.iris import Dataset, signature, training_data

MODELS, RESULTS = "models", "results"


def train(experiment: Experiment, data: Dataset, out: Path) -> Card:
    """Fit on all rows, evaluate, write ``models/<file>`` and ``results/<name>.json`` under ``out``.

    Raises:
        OSError: a file cannot be written.
    """
    for folder in (MODELS, RESULTS):
        (out / folder).mkdir(parents=True, exist_ok=True)
    model = experiment.fit(data.X, data.y)
    folds = tqdm(split(data), desc=f"{experiment.name}: {FOLDS} folds", unit="fold")
    card = Card(
        description=experiment.description,
        task="classification",
        signature=signature(experiment.dtype),
        training_data=training_data(data),
        metrics=(training_accuracy(model, data), cross_validated_accuracy(experiment, data, folds)),
    )
    experiment.save(model, out / MODELS / experiment.file)
    (out / RESULTS / f"{experiment.name}.json").write_bytes(encode(card))
    return card
