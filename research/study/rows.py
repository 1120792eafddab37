"""The rows of a study, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from convert.errors import SourceError
from convert.sources.table import Table, listing, read
from registry.manifest import Task
from research import iris
from research.study.errors import StudyError
from research.study.specification import Data, Generated

MAX_CLASSES_OF_NUMBERS = 20
LOADERS = {
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    # as measured, and not standardised over all rows: a request carries what was measured
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
}


@dataclass(frozen=True)
class Rows:
    """Rows with their right answers."""

    name: str
    features: tuple[str, ...]
    X: NDArray[np.float64]
    """``(n, features) float64``; NaN where a cell is missing."""
    y: NDArray[Any]
    """``(n,)``: int64 index into ``classes``, or float64 values of a regression."""
    classes: tuple[str, ...]
    """Empty: a regression."""
    units: dict[str, str]

    @property
    def task(self) -> Task:
        """What is to be learned."""
        return "classification" if self.classes else "regression"


def load(data: Data, seed: int, home: Path) -> Rows:
    """The rows that a study names; a file is looked for in ``home``.

    Raises:
        StudyError: there are no such rows or columns.
    """
    if data.generated:
        found = _generated(data.generated, seed, data.units)
    elif data.file:
        found = _file(home / data.file, data)
    else:
        found = _shipped(str(data.table), data.units)
    if strangers := sorted(set(data.units) - set(found.features)):
        raise StudyError(f"data.units: no feature {strangers[0]!r}; there are: {listing(found.features)}")
    return found if data.file else _narrowed(found, data.features)


def _shipped(table: str, units: dict[str, str]) -> Rows:
    if table == "iris":
        rows = iris.dataset()
        return Rows("iris", iris.FEATURES, rows.X, rows.y, iris.CLASSES, dict.fromkeys(iris.FEATURES, "cm"))
    bunch = LOADERS[table]()
    features = tuple(_word(str(name)) for name in bunch.feature_names)
    X = np.ascontiguousarray(bunch.data, np.float64)
    if table == "diabetes":
        return Rows(table, features, X, bunch.target.astype(np.float64), (), units)
    classes = tuple(str(name) for name in bunch.target_names)
    return Rows(table, features, X, bunch.target.astype(np.int64), classes, units)


def _generated(wanted: Generated, seed: int, units: dict[str, str]) -> Rows:
    try:
        X, y = datasets.make_classification(
            wanted.rows,
            wanted.features,
            n_informative=wanted.informative,
            n_classes=wanted.classes,
            flip_y=wanted.flipped,
            class_sep=wanted.separation,
            random_state=seed,
        )
    except ValueError as error:
        raise StudyError(f"data.generated: no such table can be made: {error}") from None
    features = tuple(f"x{number:02d}" for number in range(wanted.features))
    classes = tuple(f"class_{number}" for number in range(wanted.classes))
    return Rows("generated", features, X, y.astype(np.int64), classes, units)


def _file(path: Path, data: Data) -> Rows:
    target = str(data.target)
    try:
        table = read(path)
        table.demand([target], "data.target names it")
        features = data.features or tuple(name for name in table.header if name != target)
        table.demand(features, "data.features names it")
        if target in features:
            raise StudyError(f"data.features: {target!r} is the target; a model must not see the answers")
        X = table.matrix(features)
        y, classes = _answers(table, target, data.task)
    except SourceError as error:
        raise StudyError(
            f"{error}; a study learns from numbers: name these columns in data.features"
        ) from None
    return Rows(path.stem, features, X, y, classes, data.units)


def _answers(table: Table, target: str, task: Task | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    cells = table.text(target)
    if "" in cells:
        raise StudyError(f"{table.path}: row {cells.index('') + 1}, column {target!r}: the answer is missing")
    if (task or _guess(table, target)) == "regression":
        return table.matrix([target])[:, 0], ()
    text = table.is_text(target)
    classes = tuple(sorted(set(cells), key=None if text else float))
    if len(classes) < 2:
        raise StudyError(f"{table.path}: column {target!r} has one answer only; there is nothing to learn")
    return np.array([classes.index(cell) for cell in cells], np.int64), classes


def _guess(table: Table, target: str) -> Task:
    if table.is_text(target):
        return "classification"
    values = np.unique(table.matrix([target]))
    whole = bool((values == np.round(values)).all())
    return "classification" if whole and len(values) <= MAX_CLASSES_OF_NUMBERS else "regression"


def _narrowed(rows: Rows, features: tuple[str, ...]) -> Rows:
    if not features:
        return rows
    if strangers := [name for name in features if name not in rows.features]:
        raise StudyError(f"data.features: no feature {strangers[0]!r}; there are: {listing(rows.features)}")
    places = [rows.features.index(name) for name in features]
    units = {name: unit for name, unit in rows.units.items() if name in features}
    return Rows(rows.name, features, np.ascontiguousarray(rows.X[:, places]), rows.y, rows.classes, units)


def _word(name: str) -> str:
    """A column's name without spaces and units: ``petal length (cm)`` to ``petal_length``."""
    return name.partition(" (")[0].replace("/", "_per_").replace(" ", "_")
