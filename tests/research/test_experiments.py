"""Each experiment is fitted, evaluated and kept the same way every time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from convert.sources.source import load
from registry.manifest import Card
from research.evaluation import cross_validated_accuracy, split, training_accuracy
from research.experiments import EXPERIMENTS
from research.iris import dataset
from research.training import train

LEAST_RIGHT = {"heuristic": 144, "decision_tree": 144, "random_forest": 146, "xgboost": 148}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_right_answers_on_the_training_rows(name: str) -> None:
    """Each family gets at least as many of the 150 rows right as it is known to."""
    data = dataset()
    metric = training_accuracy(EXPERIMENTS[name].fit(data.X, data.y), data)
    assert metric.value * 150 >= LEAST_RIGHT[name]
    assert metric.method == "on the 150 rows that the model was fitted on"


def test_folds_cover_every_row_once() -> None:
    """Each row is held out exactly once, five of each species in each fold, and never fitted on then."""
    data = dataset()
    folds = split(data)
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(150))
    for train_rows, test_rows in folds:
        assert np.bincount(data.y[test_rows]).tolist() == [5, 5, 5]
        assert not set(train_rows) & set(test_rows)


def test_held_out_rows_are_not_seen() -> None:
    """Cross-validation tells memory from knowledge: with labels by chance it finds none."""
    data = dataset()
    np.random.default_rng(0).shuffle(data.y)
    boosted = EXPERIMENTS["xgboost"]
    assert training_accuracy(boosted.fit(data.X, data.y), data).value > 0.7
    assert cross_validated_accuracy(boosted, data, split(data)).value < 0.5


def test_rules_and_frequencies() -> None:
    """The heuristic's frequencies are the counts of the rows that reached each rule."""
    data = dataset()
    rules = EXPERIMENTS["heuristic"].fit(data.X, data.y)
    assert [(rule.feature, rule.below) for rule in rules.rules] == [
        ("petal_length", 2.45),
        ("petal_width", 1.75),
    ]
    assert [answer.counts for answer in rules.answers] == [(50, 0, 0), (0, 49, 5), (0, 1, 45)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_kept_is_what_was_fitted(name: str, tmp_path: Path) -> None:
    """The saved model reads back with the same probabilities; the card reads back whole."""
    data, experiment = dataset(), EXPERIMENTS[name]
    card = train(experiment, data, tmp_path)
    again = load(tmp_path / "models" / experiment.file)
    fitted = experiment.fit(data.X, data.y)
    assert np.array_equal(again.predict_proba(data.X), fitted.predict_proba(data.X))
    written = (tmp_path / "results" / f"{name}.json").read_bytes()
    assert msgspec.json.decode(written, type=Card) == card
    assert [metric.name for metric in card.metrics] == ["training_accuracy", "cross_validated_accuracy"]
    assert {feature.dtype for feature in card.signature.features} == {experiment.dtype}
