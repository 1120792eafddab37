"""A real server for many tests, and a registry with a model that is really slow."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bench.process import ServerProcess
from bench.targets.shelf import Shelf, found, stocked
from registry.manifest import (
    Bound,
    Card,
    Feature,
    Golden,
    Manifest,
    Measured,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
)
from registry.store import Store

CLASSES = ("no", "yes")
WIDTH = 1200
"""Side of the square matrices whose product takes the time: 3.5 billion operations each."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Two workers with all shipped models."""
    with ServerProcess(workers=2) as running:
        yield running


@pytest.fixture
def leftovers() -> Callable[[], list[Any]]:
    """Children of this process that were not there at first, and are still there."""
    here = psutil.Process()
    before = {child.pid for child in here.children(recursive=True)}
    return lambda: [child for child in here.children(recursive=True) if child.pid not in before]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Shelf:
    """The forest that every target serves, trained and converted: by whichever process needs it first."""
    if worker_id == "master":
        return stocked(tmp_path_factory.mktemp("shelf"))
    folder = tmp_path_factory.getbasetemp().parent / "shelf"  # of all processes of this run
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            return stocked(folder)
    return found(folder)


@pytest.fixture(scope="session")
def slow_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose only model, ``slow``, always answers "no" and takes at least 30 ms for it."""
    root = tmp_path_factory.mktemp("registry")
    model = _slow_model()
    feature = Feature(name="x", dtype="float32", minimum=-10, maximum=10, example=1.0)
    manifest = Manifest(
        name="slow",
        version=1,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        opsets={"": 17},
        versions={},
        card=Card(
            description="says no, late",
            task="classification",
            signature=Signature(features=(feature,), classes=CLASSES),
            training_data=TrainingData(name="none", rows=0, sha256=""),
            metrics=(),
        ),
        parity=Parity(
            oracle="by hand",
            bound=Bound(),
            kinds=(ParityRows(kind="ordinary", rows=1, label_mismatches=0, max_ulp=0.0, max_abs_error=0.0),),
            rows_alone=1,
        ),
        measured=Measured(latency_p50_us=0, latency_p99_us=0, memory_bytes=0, machine="none"),
    )
    golden = Golden(kinds=("ordinary",), inputs=((1.0,),), labels=("no",), probabilities=((1.0, 0.0),))
    store = Store(root)
    store.publish(manifest, model, golden)
    store.promote("slow")
    return root


def _slow_model() -> bytes:
    """The product depends on the input, so nothing of it can be computed beforehand; it is then made 0."""
    constants: dict[str, NDArray[Any]] = {
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "square": np.array([WIDTH, WIDTH], np.int64),
        "answer": np.array([[1, 0]], np.float32),
        "flat": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["any"], keepdims=0),
        helper.make_node("Mul", ["any", "zero"], ["hidden_zero"]),
        helper.make_node("Add", ["hidden_zero", "one"], ["hidden_one"]),
        helper.make_node("Expand", ["hidden_one", "square"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "matrix"], ["second"]),
        helper.make_node("MatMul", ["second", "matrix"], ["third"]),
        helper.make_node("ReduceMax", ["third"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "zero"], ["nothing"]),
        helper.make_node("Mul", ["x", "nothing"], ["column"]),
        helper.make_node("Add", ["column", "answer"], ["probabilities"]),
        helper.make_node("Cast", ["column"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())
