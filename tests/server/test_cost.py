"""What answers cost is measured, not guessed."""

from __future__ import annotations

from time import sleep

from registry.store import Entry
from server.cost import LEAST_ROWS, MOST_ROWS, measure
from server.model import Model

ROWS = [(1.0, 2.0)] * 100


def test_a_slow_model_costs_more_than_a_fast_one() -> None:
    """A row, a byte of a batch, and fewer rows in a slice."""
    fast = measure(lambda row: None, lambda body: None, ROWS)
    slow = measure(lambda row: sleep(0.002), lambda body: sleep(0.01), ROWS)
    assert slow.row_ns > 2_000_000 > fast.row_ns
    assert slow.byte_ns > 10 * fast.byte_ns
    assert (slow.slice_rows, fast.slice_rows) == (LEAST_ROWS, MOST_ROWS)


def test_slices_take_about_a_millisecond() -> None:
    """0.1 ms a row, in batches: no more than ten rows, but for the least."""
    assert measure(lambda row: None, lambda body: sleep(0.001), ROWS).slice_rows in range(LEAST_ROWS, 101)


def test_a_shipped_model_is_light(entry: Entry) -> None:
    """Its row waits for nobody."""
    cost = Model(entry).cost
    assert 0 < cost.row_ns < 1_000_000
    assert cost.byte_ns > 0
