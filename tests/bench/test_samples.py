"""Exact latencies and their percentiles."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.samples import SHOWN_FAULTS, Recorder, Samples, percentile


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_a_measured_value(percent: float, expected: float) -> None:
    """The nearest rank, never below it."""
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_a_percentile_of_few_values_is_the_worst() -> None:
    """p99 of fewer than a hundred values hides none of them."""
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0


def test_the_warm_up_hides_latencies_but_no_failures(tmp_path: Path) -> None:
    """Requests that began in the warm-up give no latency; those that failed count."""
    file = tmp_path / "samples.json"
    recorder = Recorder(file, warm_up_s=0.0)
    recorder.request("predict", 1.0, None)  # before the start
    recorder.start()
    recorder.request("predict", 60_000.0, None)  # ended after the warm-up, began before it
    recorder.request("predict", 0.0, None)
    for number in range(SHOWN_FAULTS + 1):
        recorder.request("predict", 0.0, ValueError(f"status 50{number}"))
    recorder.write()
    samples = msgspec.json.decode(file.read_bytes(), type=Samples)
    assert samples.latencies_ms == {"predict": [0.0]}
    assert samples.failures == SHOWN_FAULTS + 1
    assert samples.faults == [f"predict: status 50{number}" for number in range(SHOWN_FAULTS)]
