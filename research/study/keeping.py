"""What a study leaves behind for ``mps convert``: fitted models, their cards, and rows for the proof."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from tqdm import tqdm

from convert.graphs.graph import natural_dtype
from convert.sources.carding import fingerprint
from convert.sources.histogram import of_numbers
from registry.manifest import Card, Dtype, Feature, Label, Metric, Signature, TrainingData, encode
from research import iris
from research.study.families import Heuristic, save
from research.study.methods import Candidate
from research.study.results import FamilyResult, Results, rounded
from research.study.rows import Rows
from research.study.scoring import r2
from research.validation.folds import sample

MODELS, CARDS, DATA = "models", "cards", "rows.csv"
MAX_KEPT_ROWS = 5_000
"""Of the rows for the proof, which adds a hundred thousand of its own."""
PREFIXES = {
    "repeated_k_fold": "cross_validated",
    "leave_one_out": "loocv",
    "hold_out": "holdout",
    "out_of_bag": "oob",
    "nested": "nested",
}
"""Method to what a card calls it."""


def keep(results: Results, entered: list[Candidate], out: Path, target: str | None) -> None:
    """Fit every family on all rows and write ``models/``, ``cards/`` and ``rows.csv`` under ``out``.

    Raises:
        OSError: a file cannot be written.
    """
    for folder in (MODELS, CARDS):
        (out / folder).mkdir(parents=True, exist_ok=True)
    found = entered[0].rows
    data = training_data(found)
    bar = tqdm(entered, desc="fit on all rows", unit="model", disable=None, leave=False)
    for each, result in zip(bar, results.families, strict=True):
        model = clone(each.estimator).fit(found.X, found.y)
        save(model, out / MODELS, each.name)
        card = _card(results, result, each, model, data)
        (out / CARDS / f"{each.name}.json").write_bytes(encode(card))
    chosen = sample(found.y, MAX_KEPT_ROWS, entered[0].seed, bool(found.classes))
    write_csv(found, chosen.tolist(), answer_column(found, target), out / DATA)


def training_data(found: Rows) -> TrainingData:
    """Name, size and digest of the rows, and what each feature looked like."""
    histograms = tuple(of_numbers(name, found.X[:, number]) for number, name in enumerate(found.features))
    digest = fingerprint(found.X, found.y)
    return TrainingData(name=found.name, rows=len(found.y), sha256=digest, histograms=histograms)


def answer_column(found: Rows, target: str | None) -> str:
    """What the column of right answers is called: as in the user's file, or a name that is no feature's."""
    name = target or "answer"
    while name in found.features:
        name += "_"
    return name


def write_csv(found: Rows, chosen: list[int], answer: str, path: Path) -> None:
    """The chosen rows with a header and the answers last; a missing cell is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*found.features, answer])
        for row in chosen:
            cells = ["" if np.isnan(cell) else cell for cell in found.X[row].tolist()]
            right = found.y[row].item()
            writer.writerow([*cells, found.classes[right] if found.classes else right])


def labels(classes: tuple[str, ...]) -> tuple[Label, ...]:
    """Class names; whole numbers as such, so that an answer is 7 and not "7"."""
    whole = all(name.isdecimal() and str(int(name)) == name for name in classes)
    return tuple(int(name) for name in classes) if whole else classes


def _card(results: Results, result: FamilyResult, each: Candidate, model: Any, data: TrainingData) -> Card:
    set_here = ", ".join(f"{key} {value}" for key, value in result.parameters.items())
    kind = each.kind.replace("_", " ")
    return Card(
        description=f"{results.title}: {kind}" + (f" with {set_here}" if set_here else ""),
        task=results.task,
        signature=signature(each.rows, natural_dtype(model.list_ if isinstance(model, Heuristic) else model)),
        training_data=data,
        metrics=(_training(each.rows, model), *metrics(result)),
    )


def signature(found: Rows, dtype: Dtype) -> Signature:
    """What a model of these rows takes and answers; iris has its descriptions and ranges."""
    if found.features == iris.FEATURES and found.name == "iris":
        return iris.signature(dtype)
    holes = [bool(np.isnan(column).any()) for column in found.X.T]
    return Signature(
        features=tuple(
            Feature(
                name=name,
                dtype=dtype,
                unit=found.units.get(name, ""),
                may_be_missing=holes[number],
                example=_example(found, number),
            )
            for number, name in enumerate(found.features)
        ),
        classes=labels(found.classes),
    )


def metrics(result: FamilyResult) -> tuple[Metric, ...]:
    """The scores of a family as a card has them, with their intervals."""
    return tuple(
        Metric(
            name=f"{PREFIXES[score.method]}_{score.metric}",
            value=rounded(score.value),
            method=score.how,
            low=rounded(score.low),
            high=rounded(score.high),
        )
        for score in result.scores
    )


def _training(found: Rows, model: Any) -> Metric:
    """Says nothing of rows that were not seen, and so has no interval."""
    answers = model.predict(found.X)
    name, value = ("accuracy", (answers == found.y).mean()) if found.classes else ("r2", r2(found.y, answers))
    method = f"on the {len(found.y)} rows that the model was fitted on"
    return Metric(name=f"training_{name}", value=rounded(float(value)), method=method)


def _example(found: Rows, number: int) -> float | None:
    known = found.X[:, number][~np.isnan(found.X[:, number])]
    return float(known[0]) if known.size else None
