"""Times one row, and weighs fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from research.production.measured import Memory

WARM_UP, RUNS, ROUNDS = 100, 400, 5
PROCESSES = 5
MB = 1e6


def latency_ms(ask: Callable[[], object], runs: int = RUNS, rounds: int = ROUNDS) -> tuple[float, float]:
    """Median and 99th percentile of so many calls, in ms, to a tenth of a microsecond.

    Of the quietest of some rounds after a warm-up: what else the machine does can only make a call slower.
    """
    for _ in range(min(runs, WARM_UP)):
        ask()
    found = [np.percentile(_taken_ns(ask, runs), (50, 99)) for _ in range(rounds)]
    p50, p99 = min(((p50, p99) for p50, p99 in found), key=lambda round_: round_[0])
    return round(float(p50) / 1e6, 4), round(float(p99) / 1e6, 4)


def _taken_ns(ask: Callable[[], object], runs: int) -> NDArray[np.int64]:
    taken = np.empty(runs, np.int64)
    for run in range(runs):
        started = time.perf_counter_ns()
        ask()
        taken[run] = time.perf_counter_ns() - started
    return taken


def memory(form: str, file: Path, row: list[float], processes: int = PROCESSES) -> Memory:
    """Of fresh processes that load this model and answer one row; ``form``: ``native`` or ``onnx``."""
    weighed = np.array([_weigh(form, file, row) for _ in range(processes)])
    start, library, end = weighed.T
    return Memory(
        process_mb=_mb(end),
        with_library_mb=_mb(end - start),
        model_mb=_mb(end - library),
    )


def _weigh(form: str, file: Path, row: list[float]) -> list[int]:
    command = [sys.executable, "-m", "research.production.alone", form, str(file), json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    moments: list[int] = json.loads(done.stdout)
    return moments


def _mb(bytes_seen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    return round(median(bytes_seen.tolist()) / MB, 2)
