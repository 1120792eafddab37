"""A model that passes its proof and fails on one particular row: what no test before serving would find."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from registry.store import Store
from server.settings import SHIPPED_REGISTRY

FATAL = b'{"sepal_length":5.4321,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
"""Its sepal length is in no golden row."""


def registry_with_fragile(root: Path) -> Path:
    """The shipped models, and ``fragile``: the decision tree, but for ``FATAL``."""
    shutil.copytree(SHIPPED_REGISTRY, root)
    store = Store(root)
    entry = store.read("decision_tree", 1)
    model = onnx.load_from_string(entry.model)
    graph = model.graph
    label = next(node for node in graph.node if "label" in node.output)
    label.output[:] = ["sound_label"]
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([0], np.int64), "first"),
            numpy_helper.from_array(np.array(5.4321, np.float32), "fatal"),
            numpy_helper.from_array(np.array([0], np.int64), "nothing"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Gather", ["input", "first"], ["column"], axis=1),
            helper.make_node("Equal", ["column", "fatal"], ["hit"]),
            helper.make_node("Cast", ["hit"], ["index"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["nothing", "index"], ["zeros"]),  # there is no element 1
            helper.make_node("Squeeze", ["zeros"], ["zero"]),
            helper.make_node("Add", ["sound_label", "zero"], ["label"]),
        ]
    )
    broken = model.SerializeToString(deterministic=True)
    described = {"name": "fragile", "sha256": hashlib.sha256(broken).hexdigest(), "size_bytes": len(broken)}
    store.publish(msgspec.structs.replace(entry.manifest, **described), broken, entry.golden)
    store.promote("fragile")
    return root
