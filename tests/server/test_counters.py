"""Counters: exact, summed over seats, never running backwards."""

from __future__ import annotations

import sys
import threading

from server.counters import (
    BATCH,
    BUCKETS_S,
    DESKS,
    DISAGREED,
    KEYLESS,
    MAX_SERIES,
    PREDICT,
    SKIPPED,
    Counters,
    create,
    series_index,
)
from server.exposition import exposition


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
            one.note(2, DISAGREED, 3)

    threads = [threading.Thread(target=work) for _ in range(2 * DESKS)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    text, times = exposition(one, ("m@1", "m@2:shadow"), 1, "m@1"), 2 * DESKS * 2000
    assert f'mps_rows_total{{model="m",version="1"}} {times}\n' in text
    assert f'mps_shadow_disagreed_rows_total{{model="m",version="2"}} {3 * times}\n' in text


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


SERIES = ("m@1", "m@1:split", "m@1:shadow", "n@2:shadow")


def test_a_model_is_counted_by_what_it_answered_as() -> None:
    """By its own name, in a split, and as a shadow: the first two add up to what was answered."""
    one, two = two_seats()
    for worker, reference, times in ((one, "m@1", 1), (two, "m@1:split", 2), (one, "m@1:shadow", 4)):
        for _ in range(times):
            worker.count(series_index(SERIES, reference), PREDICT, 200, 1, 1000)
    lines = exposition(one, SERIES, 1, "m@1").splitlines()
    said = 'endpoint="predict",status="2xx"'
    assert f'mps_requests_total{{model="m",version="1",{said}}} 1' in lines
    assert f'mps_requests_total{{model="m",version="1",role="split",{said}}} 2' in lines
    assert f'mps_shadow_requests_total{{model="m",version="1",{said}}} 4' in lines
    assert 'mps_rows_total{model="m",version="1",role="split"} 2' in lines
    assert 'mps_shadow_rows_total{model="m",version="1"} 4' in lines
    buckets = [line for line in lines if line.startswith("mps_request_duration_seconds_count")]
    assert sum(int(line.rsplit(" ", 1)[1]) for line in buckets) == 3


def test_notes_are_families_of_their_own() -> None:
    """Each note under its name, summed over seats; what was never noted of anybody has no family."""
    one, two = two_seats()
    one.note(series_index(SERIES, "m@1:split"), KEYLESS)
    text = exposition(two, SERIES, 1, "m@1")
    assert 'mps_split_keyless_total{model="m",version="1",role="split"} 1\n' in text
    assert "mps_shadow" not in text
    for worker in (one, two):
        worker.note(series_index(SERIES, "m@1:shadow"), DISAGREED, 5)
        worker.note(series_index(SERIES, "n@2:shadow"), SKIPPED)
    lines = exposition(one, SERIES, 1, "m@1").splitlines()
    for line in (
        'mps_shadow_disagreed_rows_total{model="m",version="1"} 10',
        'mps_shadow_disagreed_rows_total{model="n",version="2"} 0',
        'mps_shadow_skipped_total{model="m",version="1"} 0',
        'mps_shadow_skipped_total{model="n",version="2"} 2',
    ):
        assert line in lines


def test_every_family_is_announced_once() -> None:
    """HELP and TYPE come before its samples, and no sample is there twice: a scraper refuses the rest."""
    one, _ = two_seats()
    for index in (0, *range(1, len(SERIES) + 1)):
        one.count(index, PREDICT, 200, 1, 1)
        one.note(index, KEYLESS)
    announced, samples = [], []
    for line in exposition(one, SERIES, 1, "m@1").splitlines():
        if line.startswith("# TYPE"):
            announced.append(line.split()[2])
        elif not line.startswith("#"):
            name, _ = line.split(" ", 1) if "{" not in line else line.rsplit(" ", 1)
            assert name.startswith(announced[-1])
            samples.append(name)
    assert len(set(announced)) == len(announced)
    assert len(set(samples)) == len(samples)
