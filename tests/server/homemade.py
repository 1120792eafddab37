"""Small models of every sort, made by hand and published as real entries; what they answer is easy to say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from registry.manifest import (
    Bound,
    Card,
    Feature,
    Golden,
    Label,
    Manifest,
    Measured,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
    WorstRow,
)
from registry.store import Entry, Store

FEATURES = (
    Feature(name="weight", dtype="float32", unit="kg", may_be_missing=True, example=1.5),
    Feature(name="count", dtype="int64", minimum=0, maximum=9, example=2),
    Feature(name="colour", dtype="string", categories=("red", "deep blue"), description="of the paint"),
    Feature(name="note", dtype="string"),
)
ROWS: tuple[tuple[Any, ...], ...] = (
    (1.5, 2, "red", "x"),
    (-40.25, 0, "deep blue", ""),
    (69.5, 9, "red", "heavy"),
)
SCORES = (6.0, -78.5, 159.0)
"""Of the rows: twice the weight and the count, 1 for red or 2 for blue, 10 for a note that says heavy."""
LABELS = (1, 0, 1)
"""Index of the class of each row: whether the score is above 0."""
OVERFLOWS = 3e38
"""A weight that float32 can hold, and its double not."""


def score(*outputs: str, value: str = "score") -> bytes:
    """A model with these outputs.

    Args:
        outputs: names.
        value: what the output ``value`` is: the ``score``; the same ``counted`` up by the rows of the batch;
            the ``largest`` of the batch; or ``stuck`` when there is more than one row.
    """
    nodes = [
        helper.make_node("Cast", ["count"], ["number"], to=TensorProto.FLOAT),
        _words("colour", "painted", ("red", "deep blue"), (1.0, 2.0)),
        _words("note", "noted", ("heavy",), (10.0,)),
        helper.make_node("Sum", ["weight", "weight", "number", "painted", "noted"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
        helper.make_node("Shape", ["weight"], ["rows"], start=0, end=1),
        helper.make_node("Cast", ["rows"], ["many"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["score", "many"], ["counted"]),
        helper.make_node("ReduceMax", ["score"], ["largest"], keepdims=1),
        helper.make_node("Reshape", ["score", "single"], ["stuck"]),
        helper.make_node("Identity", [value], ["value"]),
    ]
    if value != "stuck":  # onnxruntime runs what leads to no output, too
        nodes = [node for node in nodes if "stuck" not in node.output]
    constants = {"one": np.array(1, np.float32), "single": np.array([1, 1])}
    kinds = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.STRING)
    inputs = [_tensor(f.name, kind, [None, 1]) for f, kind in zip(FEATURES, kinds, strict=True)]
    known = {
        "label": _tensor("label", TensorProto.INT64, [None]),
        "probabilities": _tensor("probabilities", TensorProto.FLOAT, [None, 2]),
        "value": _tensor("value", TensorProto.FLOAT, [None, 1]),
    }
    graph = helper.make_graph(
        nodes,
        "score",
        inputs,
        [known[name] for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def _words(feature: str, output: str, keys: tuple[str, ...], numbers: tuple[float, ...]) -> Any:
    return helper.make_node(
        "LabelEncoder",
        [feature],
        [output],
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_floats=numbers,
        default_float=0.0,
    )


def _tensor(name: str, kind: int, shape: list[int | None]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def classifier(name: str, classes: tuple[Label, Label] = ("no", "yes"), probabilities: bool = True) -> Entry:
    """Says whether the score is above 0."""
    signature = Signature(features=FEATURES, classes=classes, probabilities=probabilities)
    yes = 1 / (1 + np.exp(-np.array(SCORES)))
    golden = Golden(
        kinds=("data",) * len(ROWS),
        inputs=ROWS,
        labels=tuple(classes[index] for index in LABELS),
        probabilities=tuple((1 - p, p) for p in yes.tolist()) if probabilities else (),
    )
    outputs = ("label", "probabilities") if probabilities else ("label",)
    return entry(name, score(*outputs), signature, golden, Bound(absolute=1e-6))


def regression(name: str, bound: Bound | None = None, value: str = "score") -> Entry:
    """Says the score, or what ``score`` has instead."""
    golden = Golden(kinds=("data",) * len(ROWS), inputs=ROWS, values=SCORES)
    return entry(name, score("value", value=value), Signature(features=FEATURES), golden, bound or Bound())


def entry(name: str, model: bytes, signature: Signature, golden: Golden, bound: Bound) -> Entry:
    """What a registry would hold of it."""
    worst = WorstRow(inputs=ROWS[0], expected=(6.0,), served=(6.5,))
    kind = ParityRows(
        kind="data", rows=len(ROWS), label_mismatches=0, max_ulp=0.5, max_abs_error=0.0, worst=worst
    )
    manifest = Manifest(
        name=name,
        version=1,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        opsets={"": 18, "ai.onnx.ml": 3},
        versions={},
        card=Card(
            description="adds things up",
            task=signature.task,
            signature=signature,
            training_data=TrainingData(name="none", rows=0, sha256=""),
            metrics=(),
        ),
        parity=Parity(oracle="by hand", bound=bound, kinds=(kind,), rows_alone=3),
        measured=Measured(latency_p50_us=0, latency_p99_us=0, memory_bytes=0, machine="none"),
    )
    return Entry(manifest, golden, model, hashlib.sha256(name.encode()).hexdigest())


def shelve(root: Path, *entries: Entry) -> str:
    """Publish and promote; the registry's root as a setting."""
    store = Store(root)
    for each in entries:
        store.publish(each.manifest, each.model, each.golden)
        store.promote(each.manifest.name)
    return str(root)


def admitted(entry: Entry, reason: str) -> Entry:
    """The entry, as if it had been published although it is not exact."""
    parity = msgspec.structs.replace(entry.manifest.parity, inexact=reason)
    return msgspec.structs.replace(entry, manifest=msgspec.structs.replace(entry.manifest, parity=parity))
