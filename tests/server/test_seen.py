"""What the cells of a series say: counts, bounds of percentiles, and what is surely slower."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.counters import BATCH, BUCKETS_S, KEYLESS, PREDICT, SKIPPED, Counters, create
from server.seen import FAILED, OK, REFUSED, Seen

MS = 1_000_000


def seen_of(times_ns: list[int]) -> Seen:
    """Of answers that took so long."""
    shared = create(1)
    counters = Counters(shared, 0)
    os.close(int(shared.name))
    for time_ns in times_ns:
        counters.count(1, PREDICT, 200, 1, time_ns)
    return Seen(counters.sums(1))


def test_answers_are_told_apart(counters: Counters) -> None:
    """By endpoint and status; rows, times and notes beside them."""
    for endpoint, status, rows in ((PREDICT, 200, 1), (BATCH, 200, 7), (BATCH, 422, 0), (PREDICT, 503, 0)):
        counters.count(1, endpoint, status, rows, (endpoint + 1) * MS)
    counters.note(1, KEYLESS, 2)
    seen = Seen(counters.sums(1))
    assert [seen.with_status(status) for status in (OK, REFUSED, FAILED)] == [2, 1, 1]
    assert [seen.answers(PREDICT, FAILED), seen.answers(BATCH, FAILED)] == [1, 0]
    assert (seen.requests, seen.rows, seen.note(KEYLESS), seen.note(SKIPPED)) == (4, 8, 2, 0)
    assert [seen.elapsed_ns(PREDICT), seen.elapsed_ns(BATCH)] == [2 * MS, 4 * MS]
    assert [sum(seen.histogram(endpoint)) for endpoint in (PREDICT, BATCH)] == [2, 2]


def test_what_was_before_is_taken_off(counters: Counters) -> None:
    """Of every number: a new split begins with nothing, although counters never run backwards."""
    counters.count(1, PREDICT, 500, 3, 2 * MS)
    counters.note(1, KEYLESS, 2)
    before = counters.sums(1)
    assert Seen(before, before).requests == 0
    counters.count(1, PREDICT, 200, 1, 9 * MS)
    counters.note(1, KEYLESS)
    seen = Seen(counters.sums(1), before)
    assert (seen.requests, seen.rows, seen.with_status(FAILED), seen.note(KEYLESS)) == (1, 1, 0, 1)
    assert (seen.elapsed_ns(PREDICT), seen.at_most_ms(PREDICT, 50)) == (9 * MS, 10)


@given(st.lists(st.integers(0, 6_000 * MS), min_size=1, max_size=40), st.sampled_from([1, 50, 99, 100]))
def test_a_percentile_is_bounded_by_its_bucket(times_ns: list[int], percent: int) -> None:
    """So many percent took no longer, and the bucket below would not hold them; the slowest have no bound."""
    bound = seen_of(times_ns).at_most_ms(PREDICT, percent)
    wanted = percent * len(times_ns) / 100
    bounds = [*(upper * 1000 for upper in BUCKETS_S), None]
    below = [upper for upper in bounds if upper is not None and (bound is None or upper < bound)]
    if bound is not None:
        assert sum(time_ns <= bound * MS for time_ns in times_ns) >= wanted
    assert all(sum(time_ns <= upper * MS for time_ns in times_ns) < wanted for upper in below)


@given(st.lists(st.integers(0, 6_000 * MS), max_size=40), st.floats(0.01, 6_000))
def test_only_what_is_surely_slower_counts(times_ns: list[int], limit_ms: float) -> None:
    """Nobody is called too slow who may have kept to the limit; who took the next bucket's time is."""
    slower = seen_of(times_ns).slower(PREDICT, limit_ms)
    reached = next((upper * 1000 for upper in BUCKETS_S if upper * 1000 >= limit_ms), float("inf"))
    assert slower == sum(time_ns > reached * MS for time_ns in times_ns)
    assert slower <= sum(time_ns > limit_ms * MS for time_ns in times_ns)


def test_nothing_seen_has_no_percentile(counters: Counters) -> None:
    """None, and nobody is slower than anything."""
    seen = Seen(counters.sums(1))
    assert seen.at_most_ms(PREDICT, 99) is None
    assert seen.slower(PREDICT, 1) == 0


@pytest.mark.parametrize(
    ("requests", "slow", "bound"), [(100, 1, 1), (100, 2, 250), (99, 1, 250), (1, 1, 250)]
)
def test_the_99th_of_a_hundred(counters: Counters, requests: int, slow: int, bound: float) -> None:
    """One slow request in a hundred is above it; one in fewer is not."""
    for number in range(requests):
        counters.count(1, PREDICT, 200, 1, 200 * MS if number < slow else MS)
    assert Seen(counters.sums(1)).at_most_ms(PREDICT, 99) == bound
    assert Seen(counters.sums(1)).slower(PREDICT, 100) == slow
