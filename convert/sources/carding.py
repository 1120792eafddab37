"""The card of a model: read from a file, or made from data when the trainer left none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.coding import Coding, Matrix
from convert.errors import SourceError
from convert.graphs.graph import natural_dtype
from convert.oracle import Oracle
from convert.sources import answers, histogram, interval
from convert.sources.imported import Recorded
from convert.sources.table import Table, listing
from convert.sources.vocabulary import check_accepted, coded, coding_from, oracle_for
from registry.manifest import Card, Dtype, Feature, Histogram, Label, Metric, Signature, TrainingData

MAX_FEATURES = 10_000
MAX_CLASSES = 1_000
MAX_CATEGORIES = 10_000
"""Of one feature: every one of them is written into the card and the API's documents."""


def read_card(path: Path) -> Card:
    """Read a card that training wrote.

    Raises:
        SourceError: it cannot be read or is not a card.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except OSError as error:
        raise SourceError(f"card {path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise SourceError(f"{path} is not a card: {error}") from None


def fingerprint(
    rows: Matrix,
    labels: NDArray[np.int64] | NDArray[np.float64],
    vocabulary: Mapping[int, tuple[str, ...]] | None = None,
) -> str:
    """sha256 of the matrix (float64, C order) followed by the answers (int64 classes or float64 values).

    Where strings are among the features, a cell of the matrix is the place of its string among the distinct
    ones of the column, sorted; and after the answers follows, for each such feature in ascending order, the
    JSON array ``[feature number, [strings…]]``.
    """
    kind = np.float64 if labels.dtype.kind == "f" else np.int64
    content = np.ascontiguousarray(rows, np.float64).tobytes() + labels.astype(kind).tobytes()
    digest = hashlib.sha256(content)
    for feature, strings in sorted((vocabulary or {}).items()):
        digest.update(msgspec.json.encode([feature, strings]))
    return digest.hexdigest()


def describe(
    estimator: Any,
    table: Table,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    dtype: Dtype | None = None,
) -> tuple[Oracle, Card]:
    """The oracle of an estimator and its card, both from a table; parameters as of ``card_from_data``.

    ``coded(table, oracle.coding)`` gives the rows of the table as the oracle is asked about them.

    Raises:
        SourceError: estimator, columns, classes and rows do not fit together.
    """
    plain = Oracle(estimator)
    oracle = oracle_for(estimator, table, _columns(plain, table, target))
    return oracle, card_from_data(oracle, table, target, classes, dtype)


def card_from_data(
    oracle: Oracle | Recorded,
    table: Table,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    dtype: Dtype | None = None,
) -> Card:
    """A card with names from the header and classes from the model, without units, descriptions or ranges.

    ``target`` names the column of the right answers; by default it is the only one that is no feature.
    ``classes`` renames the model's classes, in their order; by default they keep their own type. ``dtype`` is
    that of the numbers, by default the one in which the trained model reads a row. Strings must be in the
    coding of the oracle (``describe``, ``oracle_for``).

    Raises:
        SourceError: columns, classes, rows and model do not fit together.
    """
    names = _names(oracle, classes)
    columns = _columns(oracle, table, target)
    target = _target(oracle, table, target)
    coding = Coding(columns, oracle.coding.vocabulary)
    rows = coded(table, coding)
    if isinstance(oracle, Oracle):
        check_accepted(oracle, table, coding, rows)
    right = _right(oracle, table, target, names)
    return Card(
        description=oracle.describe,
        task=oracle.task,
        signature=Signature(
            features=_features(oracle, table, coding, dtype),
            classes=names,
            probabilities=oracle.has_probabilities or not names,
        ),
        training_data=_training_data(table, coding, right),
        metrics=_quality(oracle, table, rows, right) if target else (),
    )


def blank_card(oracle: Oracle, classes: Sequence[str] | None = None, dtype: Dtype | None = None) -> Card:
    """A card of what the estimator itself knows, where there is no data: names, or ``f0``, ``f1``, …

    Raises:
        SourceError: ``classes`` are not as many as the model's.
    """
    labels = _names(oracle, classes)
    kind = dtype or natural_dtype(oracle.estimator)
    return Card(
        description=oracle.describe,
        task=oracle.task,
        signature=Signature(
            features=tuple(Feature(name=name, dtype=kind) for name in oracle.coding.names),
            classes=labels,
            probabilities=oracle.has_probabilities or not labels,
        ),
        training_data=TrainingData(name="not told", rows=0, sha256=""),
        metrics=(),
    )


def _names(oracle: Oracle | Recorded, classes: Sequence[str] | None) -> tuple[Label, ...]:
    """What the classes are called."""
    if classes and not oracle.classes:
        raise SourceError(f"{oracle.describe} is a regression and has no classes; leave out --classes")
    names = tuple(classes or oracle.classes)
    if len(names) != len(oracle.classes):
        raise SourceError(
            f"expected {len(oracle.classes)} class names, came {len(names)}: {listing(map(str, names))}"
        )
    if len(set(names)) != len(names):
        raise SourceError(f"expected distinct class names, came {listing(map(str, names))}")
    if len(names) > MAX_CLASSES:
        raise SourceError(f"{oracle.describe} has {len(names)} classes; at most {MAX_CLASSES} are served")
    return names


def _columns(oracle: Oracle | Recorded, table: Table, target: str | None) -> tuple[str, ...]:
    """Names of the features, all of them in the table."""
    if oracle.names:
        table.demand(oracle.names, f"the model was fitted on {listing(oracle.names)}")
        columns = oracle.names
    else:
        answer = _target(oracle, table, target)
        columns = tuple(name for name in table.header if name != answer)
    if len(columns) != oracle.n_features:
        raise SourceError(
            f"{table.path} has {len(columns)} feature columns ({listing(columns)}), the model takes "
            f"{oracle.n_features}; name the column of the answers with --target, or give a --card"
        )
    if len(columns) > MAX_FEATURES:
        raise SourceError(f"the model takes {len(columns)} features; at most {MAX_FEATURES} are served")
    return columns


def _target(oracle: Oracle | Recorded, table: Table, target: str | None) -> str | None:
    if isinstance(oracle, Recorded):
        return oracle.target
    if target:
        table.demand([target], f"its header names {listing(table.header)}")
        return target
    if oracle.names:
        others = [name for name in table.header if name not in set(oracle.names)]
        return others[0] if len(others) == 1 else None
    return table.header[-1] if len(table.header) == oracle.n_features + 1 else None


def _features(
    oracle: Oracle | Recorded, table: Table, coding: Coding, dtype: Dtype | None
) -> tuple[Feature, ...]:
    if isinstance(oracle, Recorded):
        dtypes = oracle.dtypes
    else:
        dtypes = (dtype or natural_dtype(oracle.estimator),) * len(coding.names)
    return tuple(
        _string(table, name, coding.vocabulary[number])
        if number in coding.vocabulary
        else _number(table, name, dtypes[number])
        for number, name in enumerate(coding.names)
    )


def _string(table: Table, name: str, vocabulary: tuple[str, ...]) -> Feature:
    """A vocabulary with a string that the data has not says that the model answers any."""
    cells = table.text(name)
    seen = tuple(sorted(set(cells)))
    known = seen if set(vocabulary) == set(seen) else None
    if known and len(known) > MAX_CATEGORIES:
        raise SourceError(
            f"{table.path}: column {name!r} has {len(known)} different strings and the model answers no "
            f"others; at most {MAX_CATEGORIES} can be served"
        )
    return Feature(name=name, dtype="string", categories=known, example=cells[0])


def _number(table: Table, name: str, dtype: Dtype) -> Feature:
    column = table.matrix([name])[:, 0]
    known = column[~np.isnan(column)]
    example = float(known[0]) if known.size else None
    return Feature(name=name, dtype=dtype, may_be_missing=known.size < column.size, example=example)


def _right(
    oracle: Oracle | Recorded, table: Table, target: str | None, names: Sequence[Label]
) -> NDArray[np.int64] | NDArray[np.float64]:
    """The right answers of the data, ``(n,)``, or ``(0,)`` where it has none."""
    if target is None:
        return np.empty(0, np.int64)
    if not oracle.classes:
        return answers.values(table, target)
    return answers.indices(table, target, names, oracle.classes)


def _training_data(
    table: Table, coding: Coding, right: NDArray[np.int64] | NDArray[np.float64]
) -> TrainingData:
    """Of the data alone: the same whatever the model answers besides."""
    names = coding.names
    seen = coding_from(table, names, [names[number] for number in coding.vocabulary])
    rows = coded(table, seen)
    histograms: list[Histogram] = []
    for number, name in enumerate(names):
        strings = number in seen.vocabulary
        histograms.append(
            histogram.of_strings(name, table.text(name))
            if strings
            else histogram.of_numbers(name, rows[:, number])
        )
    return TrainingData(
        name=table.path.name,
        rows=table.rows,
        sha256=fingerprint(rows, right, seen.vocabulary),
        histograms=tuple(histograms),
    )


def _quality(
    oracle: Oracle | Recorded,
    table: Table,
    rows: Matrix,
    right: NDArray[np.int64] | NDArray[np.float64],
) -> tuple[Metric, ...]:
    """Accuracy, or the coefficient of determination where the right values differ at all. Recorded answers
    are the model's own, and say nothing of its quality."""
    method = f"on the {table.rows} rows of {table.path.name}"
    if isinstance(oracle, Recorded):
        return ()
    if oracle.classes:
        hits = int((oracle.labels(rows) == right).sum())
        low, high = interval.wilson(hits, len(right))
        told = f"{method}; Wilson interval"
        return (Metric(name="accuracy", value=hits / len(right), method=told, low=low, high=high),)
    predicted = oracle.numbers(rows)[:, 0]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        left = ((right - predicted) ** 2).sum()
        r2 = float(1 - left / ((right - right.mean()) ** 2).sum())
    if not np.isfinite(r2):
        return ()
    if (bounds := interval.r2(right.astype(np.float64), predicted)) is None:
        return (Metric(name="r2", value=r2, method=method),)
    # The bounds are rounded, the value is not, and has to be between them.
    told = f"{method}; percentile bootstrap of {interval.resamples(len(right))} resamples"
    return (Metric(name="r2", value=r2, method=told, low=min(bounds[0], r2), high=max(bounds[1], r2)),)
