"""Puts the strings of a table into the coding that a model is asked by, and finds what the model refuses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from convert.coding import Coding, Matrix
from convert.errors import Refused, SourceError, one_line
from convert.oracle import Oracle
from convert.sources.table import Table

STRANGER = "a value that was never seen"
"""Stands for every string that is not in the data; ``_stranger`` makes sure of that."""
BASES = 20
"""Rows that are tried as one that the model answers."""


def coding_from(table: Table, names: Sequence[str], strings: Collection[str] = ()) -> Coding:
    """The coding of these columns: of each one that holds strings, the distinct strings, sorted.

    ``strings`` names columns that are strings even though every cell looks like a number (``01067``).

    Raises:
        SourceError: there is no such column, or a cell of strings is empty.
    """
    vocabulary = {}
    for number, name in enumerate(names):
        if name in strings or table.is_text(name):
            cells = table.text(name)
            if empty := [row for row, cell in enumerate(cells) if not cell.strip()]:
                raise SourceError(
                    f"{table.path}: row {empty[0] + 1}, column {name!r} is empty; a string cannot be "
                    "missing: leave the row out, or fit with a word that stands for it"
                )
            vocabulary[number] = tuple(sorted(set(cells)))
    return Coding(tuple(names), vocabulary)


def coded(table: Table, coding: Coding) -> Matrix:
    """The columns of the coding, ``(n, features) float64``: numbers as they are, strings by their number.

    Raises:
        SourceError: there is no such column, a cell is no number, or a string not in the vocabulary.
    """
    table.demand(coding.names, "the model was fitted on it")
    rows = np.empty((table.rows, len(coding.names)))
    for feature, name in enumerate(coding.names):
        if feature not in coding.vocabulary:
            rows[:, feature] = table.matrix([name])[:, 0]
            continue
        places = {value: place for place, value in enumerate(coding.vocabulary[feature])}
        cells = table.text(name)
        if strange := [row for row, cell in enumerate(cells) if cell not in places]:
            raise SourceError(
                f"{table.path}: row {strange[0] + 1}, column {name!r} says {cells[strange[0]][:80]!r}, which "
                "is not among the strings that are known"
            )
        rows[:, feature] = [places[cell] for cell in cells]
    return rows


def oracle_for(estimator: Any, table: Table, names: Sequence[str], strings: Collection[str] = ()) -> Oracle:
    """The oracle of an estimator that is asked about these columns of a table.

    Its vocabularies hold the strings of the data and, where the model answers a string that it never saw, one
    more as the last: so the proof covers unknown strings exactly where they are answered.

    Raises:
        SourceError: the estimator, or a column, or a row that the estimator refuses; the text says which.
    """
    seen = coding_from(table, names, strings)
    if not seen.vocabulary:
        return Oracle(estimator, seen)
    wide = Coding(
        seen.names, {number: (*known, stranger(known)) for number, known in seen.vocabulary.items()}
    )
    oracle = Oracle(estimator, wide)
    rows = coded(table, wide)
    check_accepted(oracle, table, wide, rows)
    base = _answered(oracle, rows)
    kept = {
        number: known if base is not None and _takes(oracle, base, number, len(known) - 1) else known[:-1]
        for number, known in wide.vocabulary.items()
    }
    return oracle if kept == wide.vocabulary else Oracle(estimator, Coding(seen.names, kept))


def check_accepted(oracle: Oracle, table: Table, coding: Coding, rows: Matrix) -> None:
    """Refuse data that the model refuses; ``rows`` are those of ``coded``.

    Raises:
        SourceError: the text names the column and row that it refuses, and what it says.
    """
    reason = refusal(oracle, rows)
    if reason is None:
        return
    kind = type(oracle.estimator).__name__
    base = _answered(oracle, rows)
    if base is None:
        raise SourceError(_nothing_answered(table, coding, kind, refusal(oracle, rows[:1]) or reason))
    for feature, name in enumerate(coding.names):
        column = rows[:, feature]
        if np.isnan(column).any() and (because := refusal(oracle, _with(base, feature, np.nan))):
            raise SourceError(
                f"{table.path}: column {name!r} has missing values (row {np.isnan(column).argmax() + 1}), "
                f"but this {kind} refuses them: {because}"
            )
        for place, text in enumerate(coding.vocabulary.get(feature, ())):
            at = np.flatnonzero(column == place)
            if len(at) and (because := refusal(oracle, _with(base, feature, place))):
                raise SourceError(
                    f"{table.path}: row {at[0] + 1}, column {name!r} says {text[:80]!r}, which this {kind} "
                    f"refuses: {because}; leave such rows out"
                )
    row = _first_refused(oracle, rows)
    raise SourceError(f"{table.path}: this {kind} refuses row {row + 1}: {reason}")


def refusal(oracle: Oracle, rows: Matrix) -> str | None:
    """What the model says when it is asked about rows that it refuses; None: it answers them."""
    try:
        oracle.labels(rows) if oracle.classes else oracle.numbers(rows)
    except Refused as error:
        return one_line(error.__cause__ or error)
    return None


def stranger(known: Collection[str]) -> str:
    """A string that is none of these."""
    found = STRANGER
    while found in known:
        found += "?"
    return found


def _answered(oracle: Oracle, rows: Matrix) -> Matrix | None:
    """A row ``(1, features)`` without missing values that the model answers; None: not among the first."""
    holes = np.isnan(rows)
    first = rows[np.argmin(holes, axis=0), np.arange(rows.shape[1])]
    filled = np.where(holes[:BASES], np.nan_to_num(first), rows[:BASES])
    return next((row[np.newaxis] for row in filled if oracle.accepts(row[np.newaxis])), None)


def _first_refused(oracle: Oracle, rows: Matrix) -> int:
    """By halves; ``rows`` are refused as a whole."""
    low, high = 0, len(rows)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if oracle.accepts(rows[low:middle]) else (low, middle)
    return low


def _with(base: Matrix, feature: int, value: float) -> Matrix:
    row = base.copy()
    row[0, feature] = value
    return row


def _takes(oracle: Oracle, base: Matrix, feature: int, value: float) -> bool:
    return oracle.accepts(_with(base, feature, value))


def _nothing_answered(table: Table, coding: Coding, kind: str, reason: str) -> str:
    for feature in coding.vocabulary:
        name = coding.names[feature]
        if table.is_text(name):
            return f"{table.no_number(name)}; as strings, this {kind} refuses the column: {reason}"
    return f"{table.path}: this {kind} refuses row 1: {reason}"
