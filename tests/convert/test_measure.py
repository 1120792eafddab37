"""What is measured is there, and plausible."""

from __future__ import annotations

from collections.abc import Callable

from sklearn.tree import DecisionTreeClassifier

from convert.graphs.graph import build
from convert.measure import measure
from convert.oracle import Oracle
from registry.manifest import Card


def test_measured(tree: DecisionTreeClassifier, make_card: Callable[..., Card]) -> None:
    """A row takes between 1 µs and 10 ms, a session weighs less than 10 MB, and the machine is named."""
    signature = make_card(4, 3, "float32").signature
    found = measure(build(Oracle(tree), "t", signature), signature, (5.1, 3.5, 1.4, 0.2))
    assert 1 < found.latency_p50_us <= found.latency_p99_us < 10_000
    assert 0 <= found.memory_bytes < 10_000_000
    assert " cores, Python 3." in found.machine
