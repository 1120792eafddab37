"""What was kept, and a change of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from research.production.command import MEASURED
from research.production.measured import Measured
from research.production.measuring import read
from research.study.command import REPORTS, read_results
from research.study.results import Results

HOME = REPORTS.parent


@pytest.fixture(scope="session")
def kept() -> Measured:
    """The kept measurement."""
    return read(HOME / MEASURED)


@pytest.fixture(scope="session")
def iris() -> Results:
    """The kept study of iris."""
    return read_results(REPORTS / "iris")


@pytest.fixture
def bench(tmp_path: Path, kept: Measured) -> Path:
    """A ``models.json`` with round figures, and with keys that nobody here wants."""
    lines = [
        {"model": each.name, "budget_ms": 10.0, "latency": {"requests": 1, "p50_ms": 0.5, "p99_ms": 2.0}}
        for each in kept.models
    ]
    file = tmp_path / "models.json"
    file.write_bytes(msgspec.json.encode({"workers": 2, "machine": kept.machine, "models": lines}))
    return file
