"""What the tests of the numeric families share: tables, extreme rows, rows alone and in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from convert.graphs.graph import build
from convert.oracle import Oracle
from server.session import Session
from tests.convert.proof import signature_of

Matrix = NDArray[np.float64]
Table = tuple[Matrix, NDArray[Any]]


def _standardised(table: Table) -> Table:
    data, answers = table
    return (data - data.mean(axis=0)) / data.std(axis=0), answers


TABLES: dict[str, Table] = {
    "iris": load_iris(return_X_y=True),
    "cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "diabetes": load_diabetes(return_X_y=True),
}
EVEN: dict[str, Table] = {name: _standardised(table) for name, table in TABLES.items()}
"""The same, each column with mean 0 and deviation 1."""
BATCHES = (1, 2, 3, 5, 7, 64)


def extreme(data: Matrix) -> Matrix:
    """Rows far outside, in all features and in one."""
    everywhere = [np.full(data.shape[1], value) for value in (0.0, 1e6, -1e6, 1e30, -1e30)]
    single = [np.where(np.arange(data.shape[1]) == 0, value, data[0]) for value in (1e6, -1e6, 1e30, -1e30)]
    return np.array([*everywhere, *single])


def batch_changes(estimator: Any, rows: Matrix) -> int:
    """How many answers have other bits alone or in smaller batches than in one batch of all."""
    oracle = Oracle(estimator)
    signature = signature_of(oracle)
    session = Session(build(oracle, "proof", signature), signature)
    labels, numbers = session.answers(session.feed(rows))
    changed = 0
    for size in BATCHES:
        parts = [session.answers(session.feed(rows[at : at + size])) for at in range(0, len(rows), size)]
        changed += int((np.concatenate([part.labels for part in parts]) != labels).sum())
        changed += int((np.concatenate([part.numbers for part in parts]) != numbers).sum())
    return changed
