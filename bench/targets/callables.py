"""The least that granian can be given to serve the model: no framework, no checks beyond the types."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.targets.target import BATCH_PATH

CONSTANT = b'{"prediction":"setosa"}'
JSON_TYPE = [("content-type", "application/json")]


class Flower(msgspec.Struct):
    """One row."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Rows(msgspec.Struct):
    """Many of them."""

    instances: list[tuple[float, float, float, float]]


class Prediction(msgspec.Struct):
    """The answer to one row."""

    prediction: str


class Predictions(msgspec.Struct):
    """The answer to many."""

    predictions: list[str]


class Worker:
    """Request bytes in, answer bytes out: decode, array, run, encode."""

    def __init__(self, entry: Path) -> None:
        """Read the model and its classes from a folder of the registry."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(entry / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        manifest = json.loads((entry / "manifest.json").read_bytes())
        self._classes: list[str] = manifest["card"]["signature"]["classes"]
        self._one, self._many = msgspec.json.Decoder(Flower), msgspec.json.Decoder(Rows)
        self._encode = msgspec.json.Encoder().encode

    def answer(self, path: str, body: bytes) -> bytes:
        """To one row, or to many."""
        if path == BATCH_PATH:
            labels = self._labels(self._many.decode(body).instances)
            return self._encode(Predictions([self._classes[label] for label in labels.tolist()]))
        flower = self._one.decode(body)
        row = (flower.sepal_length, flower.sepal_width, flower.petal_length, flower.petal_width)
        return self._encode(Prediction(self._classes[self._labels([row])[0]]))

    def _labels(self, rows: list[tuple[float, float, float, float]]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._session.run(["label"], {self._input: np.array(rows, np.float32)})[0]
        return found


class Exchange(Protocol):
    """What granian hands to an RSGI callable beside the scope."""

    def __call__(self) -> Awaitable[bytes]:
        """The body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""


Rsgi = Callable[[Any, Exchange], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[[str, list[tuple[str, str]]], object]], Iterable[bytes]]


def rsgi(worker: Worker) -> Rsgi:
    """The model as an RSGI callable."""

    async def application(scope: Any, protocol: Exchange) -> None:
        protocol.response_bytes(200, JSON_TYPE, worker.answer(scope.path, await protocol()))

    return application


def wsgi(worker: Worker) -> Wsgi:
    """The model as a WSGI callable."""

    def application(
        environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        body = worker.answer(environ["PATH_INFO"], environ["wsgi.input"].read())
        start("200 OK", JSON_TYPE)
        return [body]

    return application


def constant_rsgi() -> Rsgi:
    """The same answer to everything; the request is not even read."""

    async def application(_: Any, protocol: Exchange) -> None:
        protocol.response_bytes(200, JSON_TYPE, CONSTANT)

    return application


def constant_wsgi() -> Wsgi:
    """The same answer to everything; the request is not even read."""

    def application(
        _: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        start("200 OK", JSON_TYPE)
        return [CONSTANT]

    return application
