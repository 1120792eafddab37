"""A small true manifest, its golden rows, and a registry to put them into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry.manifest import (
    Bound,
    Card,
    Feature,
    Golden,
    Manifest,
    Measured,
    Metric,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
)
from registry.store import Store

Offer = tuple[Manifest, bytes, Golden]
"""The arguments of ``Store.publish``."""
MakeOffer = Callable[..., Offer]


def _manifest(name: str, model: bytes) -> Manifest:
    width = Feature(name="width", dtype="float32", unit="cm", minimum=0.0, maximum=9.5, may_be_missing=True)
    colour = Feature(name="colour", dtype="string", categories=("red", "green"), description="of the petal")
    return Manifest(
        name=name,
        version=0,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        opsets={"": 18, "ai.onnx.ml": 3},
        versions={"trainer": "1.2", "onnxruntime": "1.30"},
        card=Card(
            description="tells two flowers apart",
            task="classification",
            signature=Signature(features=(width, colour), classes=("yes", "no")),
            training_data=TrainingData(name="flowers", rows=150, sha256="ab" * 32),
            metrics=(
                Metric(name="training_accuracy", value=1.0, method="on the rows it was fitted on"),
                Metric(name="cross_validated_accuracy", value=0.875, method="10 folds"),
            ),
        ),
        parity=Parity(
            oracle="trainer 1.2 Tree",
            bound=Bound(absolute=1e-6),
            kinds=(
                ParityRows(kind="thresholds", rows=40, label_mismatches=0, max_ulp=2.5, max_abs_error=1.5e-7),
            ),
            rows_alone=64,
        ),
        measured=Measured(latency_p50_us=8.1, latency_p99_us=12.4, memory_bytes=2_500_000, machine="a desk"),
    )


@pytest.fixture
def offer() -> MakeOffer:
    """Makes what ``publish`` takes; keywords replace fields of the manifest."""

    def make(name: str = "flowers", model: bytes = b"a model", **changes: Any) -> Offer:
        golden = Golden(
            kinds=("ordinary", "missing"),
            inputs=((1.5, "red"), (None, "green")),
            labels=("yes", "no"),
            probabilities=((0.75, 0.25), (0.0, 1.0)),
        )
        return msgspec.structs.replace(_manifest(name, model), **changes), model, golden

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty registry."""
    root = tmp_path / "registry"
    root.mkdir()
    return Store(root)


@pytest.fixture
def shelf(store: Store, offer: MakeOffer) -> Store:
    """A registry with ``flowers`` 1, 2 and 3, of which 2 is current, and ``trees`` 1, never promoted."""
    for model in (b"first", b"second", b"third"):
        store.publish(*offer(model=model))
    store.promote("flowers@2")
    store.publish(*offer("trees"))
    return store
