"""The model as each target wants it: registry entry, ONNX file, pickle, and the answers that are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bench.errors import LoadFailed

ROOT = Path(__file__).parents[2]
NAME = "forest_200"
FORESTER = "bench.targets.forest"
PREPARE_S = 180


class Shelf(NamedTuple):
    """Where things are, all in one folder."""

    registry: Path
    entry: Path
    """Folder with ``model.onnx`` and ``manifest.json``."""
    pickle: Path
    labels: tuple[str, ...]
    """The trainer's own label of each row of the data."""


def stocked(folder: Path) -> Shelf:
    """Train, and convert by the project's own command; some seconds.

    Raises:
        LoadFailed: a step failed; with what it said.
    """
    registry = folder / "registry"
    _run(["-m", FORESTER, str(folder)])
    told = ["--name", NAME, "--data", "research/iris.csv", "--registry", str(registry), "--promote"]
    _run(["-m", "server", "convert", f"{FORESTER}:{NAME}", *told])
    return found(folder)


def found(folder: Path) -> Shelf:
    """What ``stocked`` has made in this folder."""
    registry = folder / "registry"
    labels = json.loads((folder / "labels.json").read_bytes())
    return Shelf(registry, registry / NAME / "1", folder / "forest.joblib", tuple(labels))


def _run(words: list[str]) -> None:
    # A thread for each core would fight for the one that this may run on.
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environ,
            check=True,
            capture_output=True,
            timeout=PREPARE_S,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip() or "(silent)"
        raise LoadFailed(f"the model could not be made: {said.splitlines()[-1]}") from None
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"the model was not made within {PREPARE_S} s") from None
