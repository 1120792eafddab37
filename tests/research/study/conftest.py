"""A small study that runs in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from research.study.command import make
from research.study.results import Results

SMALL = """
title = "Small"
about = "Sixty flowers"
[data]
file = "rows.csv"
target = "species"
features = ["length", "width"]
units = { length = "cm" }
[families.heuristic]
rules = [{ feature = "length", below = 1.0, answer = "rose" }]
otherwise = "tulip"
[families.decision_tree]
parameters = { max_depth = 2 }
grid = { max_depth = [1, 2] }
[families.random_forest]
parameters = { n_estimators = 5 }
[families.xgboost]
parameters = { n_estimators = 3, max_depth = 2 }
[families.linear]
grid = { C = [0.1, 1.0] }
[methods]
leave_one_out = { rows = 12 }
repeated_k_fold = { folds = 3, repeats = 2 }
hold_out = { share = 0.25 }
out_of_bag = {}
nested = { folds = 2, inner = 2 }
"""

VALUES = """
title = "Values"
about = "Sixty weights"
[data]
file = "rows.csv"
target = "weight"
features = ["length", "width"]
[families.linear]
[families.decision_tree]
parameters = { max_depth = 2 }
[families.random_forest]
parameters = { n_estimators = 20 }
[families.xgboost]
parameters = { n_estimators = 3, max_depth = 2 }
[methods]
repeated_k_fold = { folds = 3, repeats = 2 }
out_of_bag = {}
"""

Write = Callable[..., Path]


class Made(NamedTuple):
    """A study that was run."""

    file: Path
    out: Path
    results: Results


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a study file (parts of its text may be replaced) beside its rows; its path."""

    def written(text: str = SMALL, *replaced: tuple[str, str]) -> Path:
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        return write_into(tmp_path, text)

    return written


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The classification, run once; nobody writes into it."""
    return made(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="session")
def values(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The regression, run once; nobody writes into it."""
    return made(tmp_path_factory.mktemp("values"), VALUES)


def made(folder: Path, text: str) -> Made:
    """Everything that a study leaves behind."""
    file = write_into(folder, text)
    return Made(file, folder / "out", make(file, folder / "out"))


def write_into(folder: Path, text: str) -> Path:
    """A study file and sixty rows beside it."""
    draws = np.random.default_rng(0)
    rows = ["length,width,weight,text,species"]
    for number in range(60):
        length, width = draws.normal(number % 2 * 2, 0.6), draws.random()
        name = ("rose", "tulip")[number % 2]
        rows.append(f"{length:.3f},{width:.3f},{3 * length + width:.3f},word,{name}")
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    (folder / "small.toml").write_text(text)
    return folder / "small.toml"
