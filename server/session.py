"""The only module that knows onnxruntime: bytes of a model in, arrays of answers out.

How numbers travel: a JSON number is a float64. It is rounded once, to the nearest, to the dtype that the
model's input declares, which is what the training library does with a float64 array of the same numbers.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it once, while it is imported
import onnxruntime
from numpy.typing import NDArray

from registry.errors import BrokenEntry
from registry.manifest import Bound, Signature, Value
from server.onerow import CODES, BoundRow, FedRow, OneRow, Tensor

Rows = Sequence[tuple[Value, ...]] | NDArray[Any]
"""``(n, features)`` values in signature order; None is missing."""
Floats = NDArray[np.floating[Any]]

INPUT_DTYPES = {
    "tensor(float)": ("float32", np.float32),
    "tensor(double)": ("float64", np.float64),
    "tensor(int64)": ("int64", np.int64),
    "tensor(string)": ("string", np.object_),
}
FLOAT_TYPES = ("tensor(float)", "tensor(double)")
OUTPUTS = {"label": ("tensor(int64)",), "probabilities": FLOAT_TYPES, "value": FLOAT_TYPES}
ONNXRUNTIME_VERSION: str = onnxruntime.__version__
_ASKED_ONLY = onnxruntime.RunOptions()
_ASKED_ONLY.only_execute_path_to_fetches = True  # a label needs none of what makes probabilities of votes


class Answers(NamedTuple):
    """Of ``n`` rows; what the model does not give is empty."""

    labels: NDArray[np.int64]
    """Class index of each row, ``(n,) int64``; ``(0,)`` for a regression."""
    numbers: Floats
    """Class probabilities ``(n, classes)``, or the values ``(n, 1)`` of a regression; float32 or float64.
    ``(n, 0)`` for a classifier that gives labels only."""


class Session:
    """One loaded model. Safe to call from several threads."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        """Build the session and hold its inputs and outputs against the signature.

        Raises:
            BrokenEntry: onnxruntime refuses the model, or the model is not what the signature says.
        """
        try:
            self._session = _loaded(model)
        except Exception as error:  # onnxruntime raises a dozen unrelated classes
            raise BrokenEntry(
                f"onnxruntime {ONNXRUNTIME_VERSION} refuses the model ({type(error).__name__})"
            ) from error
        self._columns = self._check_inputs(signature)
        self._outputs = self._check_outputs(signature)
        self.input_names = tuple(name for name, _ in self._columns)
        """One, of a matrix of all features; or one for the column of each."""
        kinds = {tensor.name: INPUT_DTYPES[tensor.type][0] for tensor in self._session.get_outputs()}
        numbers = [name for name in self._outputs if name != "label"]
        self.number_dtype = kinds[numbers[0]] if numbers else None
        """Of probabilities or values: float32 or float64; None: the model gives labels only."""
        self.one = self._one_row(signature)
        """Answers one row at a time; numbers come in the order label, probabilities, or are the value."""

    def feed(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Arrays to run on: one ``(n, features)`` matrix, or one ``(n, 1)`` column per feature."""
        if len(self._columns) == 1 and self._matrix:
            name, dtype = self._columns[0]
            return {name: np.array(rows, dtype)}
        columns = rows.T if isinstance(rows, np.ndarray) else zip(*rows, strict=True)
        return {
            name: np.array(column, dtype).reshape(-1, 1)
            for (name, dtype), column in zip(self._columns, columns, strict=True)
        }

    def labels(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Class index of each row, ``(n,) int64``."""
        found: NDArray[np.int64] = self._session.run(["label"], feed, _ASKED_ONLY)[0]
        return found

    def values(self, feed: dict[str, NDArray[Any]]) -> Floats:
        """Value of each row of a regression, ``(n,) float32 or float64``."""
        found: Floats = self._session.run(["value"], feed)[0].reshape(-1)
        return found

    def answers(self, feed: dict[str, NDArray[Any]]) -> Answers:
        """Everything that the model gives for each row."""
        first, *others = self._session.run(self._outputs, feed)
        if others:
            return Answers(first, others[0])
        if self._outputs == ["value"]:
            return Answers(np.empty(0, np.int64), first.reshape(-1, 1))
        return Answers(first, np.empty((len(first), 0)))

    def one_answer(self, row: Sequence[Value]) -> Answers:
        """Everything that the model gives for one row, by the way that single rows take.

        Raises:
            ValueError: asked for the first output alone, the model answers something else.
        """
        first, *others = self.one.all(row)
        if repr(self.one.first(row)) != repr(first[0]):
            raise ValueError("the first output depends on what else is asked for")
        if self._outputs == ["value"]:
            return Answers(np.empty(0, np.int64), np.array([first]))
        return Answers(np.array(first, np.int64), np.array(others or [[]]))

    def _one_row(self, signature: Signature) -> OneRow:
        """Through bound memory where every input is a number."""
        if any(np.dtype(dtype).name not in CODES for _, dtype in self._columns):
            return FedRow(self._session, _ASKED_ONLY, self._columns, self._outputs)
        width = len(signature.features) if self._matrix else 1
        shapes = {"label": (1,), "probabilities": (1, len(signature.classes)), "value": (1, 1)}
        kinds = {tensor.name: INPUT_DTYPES[tensor.type][0] for tensor in self._session.get_outputs()}
        outputs = [Tensor(name, kinds[name], shapes[name]) for name in self._outputs]
        inputs = [Tensor(name, np.dtype(dtype).name, (1, width)) for name, dtype in self._columns]
        missing = any(feature.may_be_missing for feature in signature.features)
        return BoundRow(self._session, _ASKED_ONLY, inputs, outputs, missing)

    def _check_inputs(self, signature: Signature) -> list[tuple[str, type]]:
        """Feed names and dtypes, decided once."""
        inputs = self._session.get_inputs()
        for tensor in inputs:
            if tensor.type not in INPUT_DTYPES:
                raise BrokenEntry(
                    f"input {tensor.name!r} is a {tensor.type}; expected one of {', '.join(INPUT_DTYPES)}"
                )
        found = [INPUT_DTYPES[tensor.type] for tensor in inputs]
        expected = [feature.dtype for feature in signature.features]
        self._matrix = len(inputs) == 1 and inputs[0].shape[1:] == [len(expected)]
        given = [found[0][0]] * len(expected) if self._matrix else [name for name, _ in found]
        names = [tensor.name for tensor in inputs]
        if not self._matrix and names != list(signature.names):
            raise BrokenEntry(
                f"the model takes the columns {names}, the signature says {list(signature.names)}"
            )
        if given != expected:
            raise BrokenEntry(f"the model takes {given}, the signature says {expected}")
        return [(tensor.name, dtype) for tensor, (_, dtype) in zip(inputs, found, strict=True)]

    def _check_outputs(self, signature: Signature) -> list[str]:
        """Names of the outputs that the signature promises."""
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        wanted = ["label", "probabilities"] if signature.classes else ["value"]
        wanted = wanted[:1] if not signature.probabilities else wanted
        for name in wanted:
            tensor = outputs.get(name)
            if tensor is None or tensor.type not in OUTPUTS[name]:
                came = f"a {tensor.type}" if tensor else f"only {sorted(outputs)}"
                raise BrokenEntry(f"expected an output {name!r} ({' or '.join(OUTPUTS[name])}), found {came}")
        for name, width in (("probabilities", len(signature.classes)), ("value", 1)):
            shape = outputs[name].shape if name in wanted else [width]
            if shape[-1:] != [width]:  # a scalar's is empty, and so is one that nobody knows
                given = shape[-1] if shape else "no row of"
                raise BrokenEntry(f"the model gives {given} numbers as {name!r}, the signature says {width}")
        return wanted


def within(served: Floats, expected: NDArray[np.float64], bound: Bound) -> NDArray[np.bool_]:
    """Whether each number is inside the bound, same shape as both; NaN is right only where NaN is expected.

    ``expected`` holds numbers of the dtype of ``served``, widened to float64.
    """
    same: NDArray[np.bool_] = (served == expected) | (np.isnan(served) & np.isnan(expected))
    last = np.nextafter(np.finfo(served.dtype).max, 0)  # to numpy, the largest number's own unit is infinite
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.spacing(np.minimum(np.abs(expected.astype(served.dtype)), last)).astype(np.float64)
        allowed = np.maximum(bound.ulp * units, bound.absolute)
        near: NDArray[np.bool_] = np.abs(served.astype(np.float64) - expected) <= allowed
    return same | near


def _loaded(model: bytes) -> onnxruntime.InferenceSession:
    """From a file in memory, which holds the very bytes that were checked.

    onnxruntime keeps the interpreter while it parses bytes, 0.1 s for 160 MB, and lets it go for a file.
    """
    descriptor = os.memfd_create("model")
    with io.FileIO(descriptor, "wb") as file:
        left = memoryview(model)
        while left:
            left = left[file.write(left) :]
        return onnxruntime.InferenceSession(
            f"/proc/self/fd/{descriptor}", _options(), providers=["CPUExecutionProvider"]
        )


def _options() -> onnxruntime.SessionOptions:
    """One thread: sums of an ensemble change their last bits with the number of threads that add them up."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # what is passed between the few nodes of such a graph is small
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # fatal only: a refusal is raised, and told by whoever asked
    return options
