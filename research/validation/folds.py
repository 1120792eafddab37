"""Which rows are fitted on and which are asked, for every way of holding rows out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Row numbers to fit on, and to answer."""


def leave_one_out(rows: int) -> Iterator[Fold]:
    """Every row is asked of a model that saw all others."""
    numbers = np.arange(rows)
    for row in range(rows):
        yield np.delete(numbers, row), numbers[row : row + 1]


def k_fold(y: NDArray[Any], folds: int, seed: int, stratified: bool) -> list[Fold]:
    """Shuffled folds that hold every row out once; ``stratified`` keeps each class's share in each fold."""
    chosen = (StratifiedKFold if stratified else KFold)(folds, shuffle=True, random_state=seed)
    return list(chosen.split(np.zeros((len(y), 1)), y))


def hold_out(y: NDArray[Any], share: float, seed: int, stratified: bool) -> Fold:
    """One split; ``share`` of the rows is asked."""
    train, test = train_test_split(
        np.arange(len(y)), test_size=share, random_state=seed, stratify=y if stratified else None
    )
    return train, test


def sample(y: NDArray[Any], rows: int, seed: int, stratified: bool) -> NDArray[np.int64]:
    """At most so many row numbers, ascending; with ``stratified`` each class keeps its share."""
    if rows >= len(y):
        return np.arange(len(y))
    _, chosen = hold_out(y, rows / len(y), seed, stratified)
    return np.sort(chosen)
