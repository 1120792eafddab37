"""What was measured, and the key that says of what and where."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

CPUINFO = Path("/proc/cpuinfo")
PACKAGES = ("joblib", "msgspec", "numpy", "onnxruntime", "scikit-learn", "xgboost")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Processor, system and versions."""

    processor: str
    cores: int
    system: str
    python: str
    packages: dict[str, str]

    def __str__(self) -> str:
        """One line."""
        packages = ", ".join(f"{name} {number}" for name, number in sorted(self.packages.items()))
        return f"{self.processor}, {self.cores} cores, {self.system}; Python {self.python}, {packages}"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory of a fresh process that does nothing but load one model, median of some processes."""

    process_mb: float
    """All of it, after one answer."""
    with_library_mb: float
    """Growth since numpy was there: library and model."""
    model_mb: float
    """Growth since the library was there: the model, and what its first answer sets up."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model in one form."""

    p50_ms: float
    """One row in process."""
    p99_ms: float
    memory: Memory
    file_kb: float


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON row over HTTP, from ``bench/results/models.json``."""

    p50_ms: float
    p99_ms: float


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one model."""

    name: str
    sha256: str
    """Of the graph."""
    native: Cost
    onnx: Cost
    served: Served
    another_mb: float
    """Resident memory of one more session in a process that has one, as the manifest states it."""
    parity_rows: int
    label_mismatches: int
    max_abs_error: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``measured.json``."""

    key: str
    """Digest of models, machine and versions; while it is the same nothing is measured again."""
    machine: Machine
    served_on: Machine
    """Where ``mps bench table`` ran."""
    models: tuple[ModelCost, ...]


def this_machine() -> Machine:
    """What this process runs on."""
    return Machine(
        processor=processor(CPUINFO.read_text() if CPUINFO.exists() else ""),
        cores=os.cpu_count() or 1,
        system=platform.system(),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
    )


def processor(cpuinfo: str) -> str:
    """The processor's name from the text of ``/proc/cpuinfo``; ARM kernels print none."""
    names = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def key(machine: Machine, contents: list[bytes]) -> str:
    """sha256 of the machine and of the digest of every model file, in the order given."""
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    return hashlib.sha256(msgspec.json.encode([machine, digests], order="sorted")).hexdigest()
