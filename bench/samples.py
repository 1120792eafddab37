"""Exact latencies of one run, and the percentiles that are read from them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

SHOWN_FAULTS = 5


class Samples(msgspec.Struct):
    """What one run of the load generator saw."""

    latencies_ms: dict[str, list[float]] = {}
    """By kind of request, in order of arrival, without the warm-up."""
    failures: int = 0
    """Answers that were wrong or missing, warm-up included: no excuse makes a wrong answer right."""
    faults: list[str] = []
    """What was wrong with the first few of them."""

    def add(self, kind: str, latency_ms: float) -> None:
        """Keep one latency."""
        self.latencies_ms.setdefault(kind, []).append(latency_ms)

    def fail(self, fault: str) -> None:
        """Count one failure."""
        self.failures += 1
        if len(self.faults) < SHOWN_FAULTS:
            self.faults.append(fault)


class Recorder:
    """Collects samples from the load generator's events.

    Locust's own statistics keep whole milliseconds, and above 100 ms only two digits. Answers here take one
    or two, and a budget cannot be guarded with so coarse a scale. Its request event, though, carries the
    exact difference of two ``perf_counter`` readings around the whole exchange, download included.
    """

    def __init__(self, file: Path, warm_up_s: float) -> None:
        """Nothing is written before ``write``."""
        self._file, self._warm_up_s = file, warm_up_s
        self._warm_at = math.inf
        self.samples = Samples()

    def start(self, **_: Any) -> None:
        """The load begins: the warm-up counts from here."""
        self._warm_at = time.perf_counter() + self._warm_up_s

    def request(self, name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
        """A request is over, after ``response_time`` milliseconds."""
        if exception:
            self.samples.fail(f"{name}: {exception}")
        elif time.perf_counter() - response_time / 1000 >= self._warm_at:
            self.samples.add(name, response_time)

    def write(self, **_: Any) -> None:
        """The load is over."""
        self._file.write_bytes(msgspec.json.encode(self.samples))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed: one that was measured.

    Interpolation would give a p99 that nobody waited for, always on the flattering side.
    """
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]
