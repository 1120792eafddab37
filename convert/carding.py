"""The card of a model: read from a file, or made from data when the trainer left none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import SourceError
from convert.graph import natural_dtype
from convert.oracle import Oracle
from convert.table import Table
from registry.manifest import Card, Dtype, Feature, Metric, Signature, TrainingData


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


def fingerprint(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    """sha256 of the matrix (float64, C order) followed by the labels (int64)."""
    content = np.ascontiguousarray(rows, np.float64).tobytes() + labels.astype(np.int64).tobytes()
    return hashlib.sha256(content).hexdigest()


def card_from_data(
    oracle: Oracle,
    table: Table,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    dtype: Dtype | None = None,
) -> Card:
    """A card with names from the header and classes from the model, without units, descriptions or ranges.

    ``target`` names the column of the right answers; by default it is the last one when the table has one
    column more than the model has features. ``classes`` renames the model's classes, in their order.
    ``dtype`` is by default the one in which the trained model reads a row.

    Raises:
        SourceError: columns, classes and model do not fit together.
    """
    names = classes or oracle.classes
    if len(names) != len(oracle.classes):
        raise SourceError(
            f"expected {len(oracle.classes)} class names, came {len(names)}: {', '.join(names)}"
        )
    target = target or _default_target(oracle, table)
    columns = oracle.names or tuple(name for name in table.header if name != target)
    if len(columns) != oracle.n_features:
        raise SourceError(
            f"{table.path} has {len(columns)} feature columns ({', '.join(columns)}), the model takes "
            f"{oracle.n_features}; name the column of the answers with --target, or give a --card"
        )
    rows = table.matrix(columns)
    labels = _labels(table, target, names) if target else np.empty(0, np.int64)
    return Card(
        description=oracle.describe,
        task="classification",
        signature=Signature(
            features=_features(dtype or natural_dtype(oracle.estimator), columns, rows), classes=tuple(names)
        ),
        training_data=TrainingData(name=table.path.name, rows=len(rows), sha256=fingerprint(rows, labels)),
        metrics=_accuracy(oracle, table, rows, labels) if target else (),
    )


def _default_target(oracle: Oracle, table: Table) -> str | None:
    return table.header[-1] if len(table.header) == oracle.n_features + 1 else None


def _features(dtype: Dtype, columns: Sequence[str], rows: NDArray[np.float64]) -> tuple[Feature, ...]:
    features = []
    for name, column in zip(columns, rows.T, strict=True):
        known = column[~np.isnan(column)]
        example = float(known[0]) if known.size else None
        missing = known.size < column.size
        features.append(Feature(name=name, dtype=dtype, may_be_missing=missing, example=example))
    return tuple(features)


def _labels(table: Table, target: str, classes: Sequence[str]) -> NDArray[np.int64]:
    found = table.text(target)
    if strange := sorted(set(found) - set(classes)):
        raise SourceError(
            f"{table.path}: column {target!r} says {strange[0]!r}, the model's classes are "
            f"{', '.join(classes)}; name them in the model's order with --classes, or the right "
            "column with --target"
        )
    return np.array([list(classes).index(label) for label in found], np.int64)


def _accuracy(
    oracle: Oracle, table: Table, rows: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[Metric]:
    value = float((oracle.labels(rows) == labels).mean())
    return (Metric(name="accuracy", value=value, method=f"on the {len(rows)} rows of {table.path.name}"),)
