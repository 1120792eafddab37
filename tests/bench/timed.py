"""Timings that a test makes up."""

from __future__ import annotations

from bench.load.spec import Latency, Timings


def timed(throughput_rps: float, p50_ms: float = 1.0, failures: int = 0, refused: int = 0) -> Timings:
    """Of one round of a second."""
    return Timings(
        seconds=1.0,
        throughput_rps=throughput_rps,
        accepted=Latency(100, p50_ms, 2 * p50_ms, 3 * p50_ms) if throughput_rps else None,
        refused=Latency(refused, 1.0, 1.0, 1.0) if refused else None,
        statuses={200: int(throughput_rps)} | ({503: refused} if refused else {}),
        failures=failures,
        faults=["status 500: {}"] * min(failures, 5),
        unsent=0,
        client_busy=0.3,
    )
