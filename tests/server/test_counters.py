"""Counters: exact, summed over seats, never running backwards."""

from __future__ import annotations

import sys
import threading

from server.counters import (
    BATCH,
    BUCKETS_S,
    DESKS,
    MAX_SERIES,
    PREDICT,
    Counters,
    create,
    exposition,
    series_index,
)


def two_seats() -> tuple[Counters, Counters]:
    """Two workers' counters in one memory."""
    shared = create(2)
    return Counters(shared, 0), Counters(shared, 1)


def test_every_seat_is_in_the_sum() -> None:
    """Either worker tells the sum of both."""
    one, two = two_seats()
    one.count(1, PREDICT, 200, 1, 1_000_000)
    two.count(1, PREDICT, 200, 1, 2_000_000)
    two.count(1, BATCH, 422, 0, 3_000_000)
    texts = [exposition(counters, ("m@1",), 3, "m@1") for counters in (one, two)]
    assert texts[0] == texts[1]
    lines = texts[0].splitlines()
    assert 'mps_requests_total{model="m",version="1",endpoint="predict",status="2xx"} 2' in lines
    assert 'mps_requests_total{model="m",version="1",endpoint="batch",status="4xx"} 1' in lines
    assert 'mps_rows_total{model="m",version="1"} 2' in lines
    assert 'mps_request_duration_seconds_sum{model="m",version="1",endpoint="predict"} 0.003' in lines


def test_a_replacement_goes_on_counting() -> None:
    """Who takes over a seat adds to what is there."""
    shared = create(1)
    Counters(shared, 0).count(1, PREDICT, 200, 1, 1)
    replacement = Counters(shared, 0)
    replacement.count(1, PREDICT, 200, 1, 1)
    assert "} 2" in exposition(replacement, ("m@1",), 1, "m@1")


def test_threads_lose_nothing() -> None:
    """Many at once, more than there are desks: the sum is exact."""
    one, _ = two_seats()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        for _ in range(2000):
            one.count(1, PREDICT, 200, 1, 1000)

    threads = [threading.Thread(target=work) for _ in range(2 * DESKS)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert f'mps_rows_total{{model="m",version="1"}} {2 * DESKS * 2000}\n' in exposition(
        one, ("m@1",), 1, "m@1"
    )


def test_statuses_and_buckets_are_told_apart() -> None:
    """2xx, 4xx and 5xx; a latency on a bound is in its bucket, as Prometheus has it."""
    one, _ = two_seats()
    for status in (200, 400, 422, 500, 503):
        one.count(1, PREDICT, status, 1, int(BUCKETS_S[2] * 1e9))
    one.count(1, PREDICT, 200, 1, int(BUCKETS_S[-1] * 1e9) + 1)
    lines = exposition(one, ("m@1",), 1, "m@1").splitlines()
    found = [
        line.rsplit(" ", 1)[1]
        for line in lines
        if line.startswith("mps_requests_total") and "predict" in line
    ]
    assert found == ["2", "2", "2"]
    buckets = [line.rsplit(" ", 1)[1] for line in lines if "_bucket" in line and "predict" in line]
    assert buckets == ["0", "0", *["5"] * (len(BUCKETS_S) - 2), "6"]


def test_models_past_the_limit_share_the_last_series() -> None:
    """A server that switches for years does not outgrow its file."""
    series = tuple(f"m@{version}" for version in range(1, MAX_SERIES + 50))
    one, _ = two_seats()
    indices = [series_index(series, reference) for reference in series]
    assert len(set(indices)) == MAX_SERIES - 1
    assert max(indices) == MAX_SERIES - 1
    for index in indices:
        one.count(index, PREDICT, 200, 1, 1)
    text = exposition(one, series, 1, "m@1")
    assert f'mps_rows_total{{model="m",version="{MAX_SERIES - 2}"}} 1\n' in text
    assert 'mps_rows_total{model="other",version=""} 51\n' in text
