"""What one row costs, and one more session, on the machine that converts."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import time
from pathlib import Path

import numpy as np

from registry.manifest import Measured, Signature, Value
from server.session import Session

WARM_UP, ROUNDS, RUNS, SESSIONS = 200, 10, 200, 20
"""What else the machine does only ever makes a row slower, and a gate hangs on the figure: of the rounds, the
quietest counts."""


def measure(model: bytes, signature: Signature, row: tuple[Value, ...]) -> Measured:
    """Time one row through a session, its array included, and weigh further sessions of the same model."""
    session = Session(model, signature)
    p50, p99 = _latency_us(session, row)
    return Measured(
        latency_p50_us=p50,
        latency_p99_us=p99,
        memory_bytes=_weight(model, signature, row),
        machine=_machine(),
    )


def opened(model: bytes, signature: Signature) -> Session:
    """The session that will serve these bytes, for who weighs or times it alone.

    Raises:
        BrokenEntry: it refuses them.
    """
    return Session(model, signature)


def _latency_us(session: Session, row: tuple[Value, ...]) -> tuple[float, float]:
    taken = np.empty(WARM_UP + ROUNDS * RUNS)
    for run in range(len(taken)):
        started = time.perf_counter_ns()
        session.answers(session.feed([row]))
        taken[run] = time.perf_counter_ns() - started
    rounds = taken[WARM_UP:].reshape(ROUNDS, RUNS) / 1e3
    p50, p99 = np.percentile(rounds, (50, 99), axis=1).min(axis=1).round(2)
    return float(p50), float(p99)


def _weight(model: bytes, signature: Signature, row: tuple[Value, ...]) -> int:
    """Growth of the resident memory per session that has answered a row, in bytes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:  # glibc keeps freed pages; sessions that fit into those would seem to weigh nothing
        trim(0)
    before = _resident_bytes()
    sessions = []
    for _ in range(SESSIONS):
        sessions.append(session := Session(model, signature))
        session.answers(session.feed([row]))
    return max(0, _resident_bytes() - before) // len(sessions)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()  # ARM kernels print no model name
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
