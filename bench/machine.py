"""Where something was measured: a figure without this is worth nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

PACKAGES = ("granian", "litestar", "locust", "msgspec", "numpy", "onnxruntime")
CPUINFO = Path("/proc/cpuinfo")


class Machine(msgspec.Struct, frozen=True):
    """Processor, system and versions."""

    processor: str
    cores: int
    system: str
    python: str
    packages: dict[str, str]

    def __str__(self) -> str:
        """One line."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return f"{self.processor}, {self.cores} cores, {self.system}; Python {self.python}, {packages}"


def this_machine(more: Sequence[str] = ()) -> Machine:
    """What this process runs on; of the packages, those that serve and load, and those named besides."""
    return Machine(
        processor=processor(CPUINFO.read_text() if CPUINFO.exists() else ""),
        cores=os.cpu_count() or 1,
        system=platform.system(),
        python=platform.python_version(),
        packages={name: version(name) for name in sorted({*PACKAGES, *more})},
    )


def processor(cpuinfo: str) -> str:
    """The processor's name from the text of ``/proc/cpuinfo``; ARM kernels print none."""
    names = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
