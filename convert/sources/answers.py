"""The column of the right answers, whichever way labels are written there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convert.errors import SourceError
from convert.sources.table import Table, listing
from registry.manifest import Label, label_text


def indices(table: Table, target: str, names: Sequence[Label], own: Sequence[Label]) -> NDArray[np.int64]:
    """Class index of each row, ``(n,) int64``, from a column that says the classes' ``names`` or the model's
    ``own`` labels. A number may be written as ``1``, ``1.0`` or ``1e0``, a boolean also as a word.

    Raises:
        SourceError: a cell is empty, or no class.
    """
    cells = table.text(target)
    for labels in (names, own):
        found = {cell: _place(cell, labels) for cell in set(cells)}
        if None not in found.values():
            return np.array([found[cell] for cell in cells], np.int64)
    found = {cell: _place(cell, names) for cell in set(cells)}
    row = next(row for row, cell in enumerate(cells) if found[cell] is None)
    if not cells[row].strip():
        raise SourceError(f"{table.path}: row {row + 1}, column {target!r} is empty; every answer is needed")
    raise SourceError(
        f"{table.path}: row {row + 1}, column {target!r} says {cells[row][:80]!r}, the model's classes are "
        f"{listing(label_text(label) for label in names)}; name them in the model's order with --classes, or "
        "the right column with --target"
    )


def values(table: Table, target: str) -> NDArray[np.float64]:
    """The column of numbers that a regression should give, ``(n,) float64``.

    Raises:
        SourceError: a cell is missing or no number.
    """
    found = table.matrix([target])[:, 0]
    if len(missing := np.flatnonzero(np.isnan(found))):
        raise SourceError(
            f"{table.path}: row {missing[0] + 1}, column {target!r} is empty; every answer is needed"
        )
    return found


def _place(cell: str, labels: Sequence[Label]) -> int | None:
    """The one class that a cell means: by the word, else by the number."""
    words = [{str(label), label_text(label)} for label in labels]
    said = cell.strip()
    for same in (cell, said, said.lower() if _are_booleans(labels) else said):
        if places := [place for place, known in enumerate(words) if same in known]:
            return places[0]
    value = _number(said)
    places = [place for place, label in enumerate(labels) if value is not None and _number(label) == value]
    return places[0] if len(places) == 1 else None


def _are_booleans(labels: Sequence[Label]) -> bool:
    return all(isinstance(label, bool) for label in labels)


def _number(label: Label) -> float | None:
    try:
        value = float(label)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(value) else value
