"""How much disk the serving install takes: what pip puts into an empty environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

import msgspec

from bench.errors import BenchError

CONSTRAINTS, PROJECT = "constraints.txt", "pyproject.toml"
LEFT_OUT = (".?*", "build", "dist", "*.egg-info", "__pycache__")
"""Of the checkout: none of it belongs into a package."""
SHOWN_WORDS = 400


class Package(msgspec.Struct, frozen=True):
    """One distribution."""

    name: str
    version: str
    size_bytes: int
    """Of its files, compiled ones included."""


def installed(checkout: Path) -> tuple[Package, ...]:
    """Install the checkout without any extra into a new environment; its packages, the largest first.

    Raises:
        BenchError: this is no checkout, or pip failed.
    """
    for needed in (CONSTRAINTS, PROJECT):
        if not (checkout / needed).is_file():
            raise BenchError(f"--install: {checkout} has no {needed}; run it in the checkout")
    with tempfile.TemporaryDirectory(prefix="bench-install-") as folder:
        # A copy: pip leaves its work in the folder that it installs, and takes what it left there before.
        source = shutil.copytree(checkout, Path(folder) / "source", ignore=shutil.ignore_patterns(*LEFT_OUT))
        target = Path(folder) / "environment"
        venv.create(target, with_pip=False)  # what serves installs nothing
        python = target / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        words = [*pip, "install", "--quiet", "-c", CONSTRAINTS, "."]
        done = subprocess.run(words, cwd=source, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise BenchError(f"--install: pip failed: {done.stderr.strip()[-SHOWN_WORDS:]}")
        return packages(*target.glob("lib/python*/site-packages"))


def packages(site_packages: Path) -> tuple[Package, ...]:
    """What is installed in a folder, the largest first."""
    found = [
        Package(distribution.metadata["Name"], distribution.version, _size_bytes(distribution))
        for distribution in distributions(path=[str(site_packages)])
    ]
    return tuple(sorted(found, key=lambda package: -package.size_bytes))


def _size_bytes(distribution: Distribution) -> int:
    paths = (Path(str(file.locate())) for file in distribution.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())
