"""Fits every kind of model on every table that it is for, and has it examined."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from convert.coding import Coding
from convert.errors import ConvertError
from convert.examination import Examination, examine
from convert.proving.adversary import RANDOM_ROWS
from convert.proving.parity import Say
from registry.manifest import Record, encode
from research.exactness.kinds import KINDS, Kind
from research.exactness.tables import WORDS, Table, names, renamed, tables, with_categories

PACKAGES = ("scikit-learn", "xgboost", "lightgbm", "skl2onnx", "onnxmltools", "onnx", "onnxruntime", "numpy")


class Case(Record, frozen=True, kw_only=True):
    """One kind on one table."""

    kind: str
    family: str
    table: str
    rows_fitted: int
    examination: Examination | None = None
    refused: str = ""
    """Why there is no exact graph."""


class Study(Record, frozen=True, kw_only=True):
    """Everything that was examined, and on what."""

    machine: str
    versions: dict[str, str]
    random_rows: int
    cases: tuple[Case, ...]


def run(kinds: Iterable[Kind], random_rows: int, say: Say) -> Iterator[Case]:
    """Examine each kind on each table of its task."""
    known = tables()
    for kind in kinds:
        for table in known:
            if table.task == kind.task and table.name in (kind.tables or table.name):
                say(f"{kind.name} on {table.name}")
                yield _case(kind, table, random_rows, say)


def study(cases: Iterable[Case], random_rows: int = RANDOM_ROWS) -> Study:
    """With the machine and the versions that they were examined on, in the order of the kinds."""
    place = {kind.name: number for number, kind in enumerate(KINDS)}
    return Study(
        machine=f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        versions={package: version(package) for package in PACKAGES},
        random_rows=random_rows,
        cases=tuple(sorted(cases, key=lambda case: place[case.kind])),
    )


def same_conditions(before: Study, random_rows: int) -> bool:
    """Whether figures of today may stand beside those: a page tells one machine and one set of versions."""
    now = study((), random_rows)
    return now == msgspec.structs.replace(before, cases=())


def read(path: Path) -> Study | None:
    """What was written before; None when nothing was."""
    return msgspec.json.decode(path.read_bytes(), type=Study) if path.exists() else None


def write(found: Study, path: Path) -> None:
    """As JSON."""
    path.write_bytes(encode(found))


def _case(kind: Kind, table: Table, random_rows: int, say: Say) -> Case:
    rows = min(kind.rows, len(table.y))
    X = (table.with_holes() if kind.holes else table.X)[:rows]
    X = with_categories(X) if kind.categories else X
    coding = Coding(names(X), dict.fromkeys((0, 1), WORDS)) if kind.categories == "words" else None
    y = renamed(np.abs(table.y[:rows]) + 1 if kind.positive else table.y[:rows], kind.labels)
    estimator = kind.make()
    if kind.categories == "codes" and "feature_types" in estimator.get_params():  # of xgboost
        estimator.set_params(feature_types=["c", "c", *"q" * (X.shape[1] - 2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about iterations: how good a model is, is not asked here
        estimator = estimator.fit(coding.rows(X) if coding else X, y)
    case = Case(kind=kind.name, family=kind.family, table=table.name, rows_fitted=rows)
    try:
        found = examine(estimator, X, random_rows, say, coding)
    except ConvertError as error:
        return msgspec.structs.replace(case, refused=str(error))
    return msgspec.structs.replace(case, examination=found)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
