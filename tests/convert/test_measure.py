"""What is measured is there, and plausible."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from sklearn.tree import DecisionTreeClassifier

from convert.graphs.graph import build
from convert.measure import RUNS, WARM_UP, measure
from convert.oracle import Oracle
from registry.manifest import Card


def test_measured(tree: DecisionTreeClassifier, make_card: Callable[..., Card]) -> None:
    """A row takes between 1 µs and 10 ms, a session weighs less than 10 MB, and the machine is named."""
    signature = make_card(4, 3, "float32").signature
    found = measure(build(Oracle(tree), "t", signature), signature, (5.1, 3.5, 1.4, 0.2))
    assert 1 < found.latency_p50_us <= found.latency_p99_us < 10_000
    assert 0 <= found.memory_bytes < 10_000_000
    assert " cores, Python 3." in found.machine


def test_what_else_the_machine_does_is_no_property_of_the_model(
    tree: DecisionTreeClassifier, make_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rounds but one are disturbed, each row of them: the figures are those of the one."""
    signature = make_card(4, 3, "float32").signature
    model, calls = build(Oracle(tree), "t", signature), itertools.count()

    def clock() -> int:
        run, end = divmod(next(calls), 2)
        return end * (5_000 if (run - WARM_UP) // RUNS == 3 else 50_000_000)

    monkeypatch.setattr("convert.measure.time.perf_counter_ns", clock)
    found = measure(model, signature, (5.1, 3.5, 1.4, 0.2))
    assert (found.latency_p50_us, found.latency_p99_us) == (5.0, 5.0)
