"""Measures every shipped model, unless the same was measured before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tqdm import tqdm

from convert.measure import opened
from convert.publish import SHIPPED
from convert.sources.source import load
from registry.manifest import Manifest
from registry.store import Store
from research.experiments import EXPERIMENTS
from research.iris import EXAMPLE
from research.production.measured import Cost, Machine, Measured, ModelCost, Served, key, this_machine
from research.production.stopwatch import PROCESSES, RUNS, latency_ms, memory
from research.study.errors import StudyError
from research.study.results import encoded
from research.training import MODELS

BENCH = Path(__file__).parent.parent.parent / "bench" / "results" / "models.json"
KB = 1e3


class _Latency(msgspec.Struct):
    p50_ms: float
    p99_ms: float


class _Line(msgspec.Struct):
    model: str
    latency: _Latency


class _Bench(msgspec.Struct):
    """The part of what ``mps bench table`` wrote that is wanted here; the rest is skipped."""

    machine: Machine
    models: list[_Line]


def measure(
    home: Path,
    file: Path,
    registry: Path = SHIPPED,
    bench: Path = BENCH,
    again: bool = False,
    runs: int = RUNS,
    processes: int = PROCESSES,
) -> tuple[Measured, bool]:
    """Read or make ``file``; ``home`` holds ``models/``.

    Returns:
        What is in the file now, and whether it was measured just now.

    Raises:
        StudyError: a model, an entry or the served figures are missing; the text says what to run.
        OSError: the file cannot be written.
    """
    machine, natives = this_machine(), _natives(home)
    store = Store(registry)
    entries = {name: store.read(name, store.current(name)) for name in natives}
    contents = [path.read_bytes() for path in natives.values()] + [each.model for each in entries.values()]
    now, served = key(machine, contents), _served(bench, list(natives))
    before = None if again else _before(file)
    fresh = before is None or before.key != now
    bar = tqdm(natives, desc="measure", unit="model", disable=None, leave=False)
    costs = (
        {name: _costs(name, natives[name], registry, runs, processes) for name in bar}
        if before is None or before.key != now
        else {each.name: (each.native, each.onnx) for each in before.models}
    )
    models = tuple(_model(entries[name].manifest, *costs[name], served) for name in natives)
    found = Measured(key=now, machine=machine, served_on=served.machine, models=models)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encoded(found))
    return read(file), fresh


def read(file: Path) -> Measured:
    """What was measured.

    Raises:
        StudyError: nothing, or something else.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Measured)
    except OSError as error:
        raise StudyError(f"{file} cannot be read: {error.strerror}; run: mps research measure") from None
    except msgspec.MsgspecError as error:
        raise StudyError(f"{file} holds no measurement: {error}; run: mps research measure") from None


def _before(file: Path) -> Measured | None:
    """A file of another format is as good as none."""
    try:
        return read(file)
    except StudyError:
        return None


def _natives(home: Path) -> dict[str, Path]:
    found = {name: home / MODELS / experiment.file for name, experiment in EXPERIMENTS.items()}
    for path in found.values():
        if not path.is_file():
            raise StudyError(f"{path} does not exist; run: mps research train")
    return found


def _served(bench: Path, names: list[str]) -> _Bench:
    try:
        found = msgspec.json.decode(bench.read_bytes(), type=_Bench)
    except OSError as error:
        raise StudyError(f"{bench} cannot be read: {error.strerror}; run: mps bench table") from None
    except msgspec.MsgspecError as error:
        raise StudyError(f"{bench} holds no served latencies: {error}; run: mps bench table") from None
    if missing := sorted(set(names) - {line.model for line in found.models}):
        raise StudyError(f"no served latency of {missing[0]} was measured; run: mps bench table")
    return found


def _costs(name: str, native: Path, registry: Path, runs: int, processes: int) -> tuple[Cost, Cost]:
    row = list(EXAMPLE.values())
    store = Store(registry)
    version = store.current(name)
    entry = store.read(name, version)
    session = opened(entry.model, entry.manifest.signature)
    model: Any = load(native)
    rows, asked = np.array([row]), tuple(row)
    if hasattr(model, "n_jobs"):
        model.set_params(n_jobs=1)  # starting threads costs more than one row
    p50, p99 = latency_ms(lambda: model.predict(rows), runs)
    as_library = Cost(
        p50_ms=p50,
        p99_ms=p99,
        memory=memory("native", native, row, processes),
        file_kb=round(native.stat().st_size / KB, 2),
    )
    p50, p99 = latency_ms(lambda: session.one_answer(asked), runs)
    as_graph = Cost(
        p50_ms=p50,
        p99_ms=p99,
        memory=memory("onnx", registry / name / str(version), row, processes),
        file_kb=round(len(entry.model) / KB, 2),
    )
    return as_library, as_graph


def _model(manifest: Manifest, native: Cost, onnx: Cost, bench: _Bench) -> ModelCost:
    latency = next(line.latency for line in bench.models if line.model == manifest.name)
    kinds = manifest.parity.kinds
    return ModelCost(
        name=manifest.name,
        sha256=manifest.sha256,
        native=native,
        onnx=onnx,
        served=Served(p50_ms=latency.p50_ms, p99_ms=latency.p99_ms),
        another_mb=manifest.measured.memory_bytes / 1e6,
        parity_rows=sum(kind.rows for kind in kinds),
        label_mismatches=sum(kind.label_mismatches for kind in kinds),
        max_abs_error=max(kind.max_abs_error for kind in kinds),
    )
