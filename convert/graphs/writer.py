"""Writes the nodes of a graph: what the exact builders speak instead of a converter's own machinery."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from convert.graphs.ensemble import ML_OPSET, Ensemble

OPSET = 18
"""Of ``ai.onnx``, in every graph that is written here."""
FLOAT, DOUBLE, INT64, BOOL, STRING = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.BOOL,
    TensorProto.STRING,
)
WRITABLE_ML_OPSET = 3
"""skl2onnx stamps no later ``ai.onnx.ml``; ``convert.graphs.graph`` restamps the finished model."""


class Tensor(NamedTuple):
    """A value of the graph."""

    name: str
    dtype: int
    """One of ``FLOAT``, ``DOUBLE``, ``INT64``, ``BOOL``, ``STRING``."""


class Classified(NamedTuple):
    """What the graph of a classifier gives."""

    label: Tensor
    """Index of the class, ``(n,) int64``, whatever the classes are called."""
    probabilities: Tensor
    """``(n, classes)``. Of a classifier without ``predict_proba`` what ``decision_function`` gives."""
    scores: Tensor | None = None
    """``decision_function`` of a classifier that has ``predict_proba`` too, ``(n, classes)``, of two classes
    ``[-d, d]``: for what is built around it, a calibration say. None: the graph does not give it."""


class Writer:
    """Adds nodes to a container of skl2onnx or onnxmltools, under names that say whose they are."""

    def __init__(self, scope: Any, container: Any, prefix: str) -> None:
        """``prefix`` stands before every name, for people who look at the graph: ``forest`` or
        ``voting/forest``."""
        self.scope = scope
        self.container = container
        self.prefix = prefix

    def inside(self, part: str) -> Writer:
        """The same graph, under ``<prefix>/<part>``."""
        return Writer(self.scope, self.container, f"{self.prefix}/{part}" if self.prefix else part)

    def constant(self, values: Any, name: str) -> Tensor:
        """A number, an array of numbers (in its own dtype: float32, float64, int64, bool), or of strings."""
        array = np.asarray(values)
        unique: str = self.scope.get_unique_variable_name(f"{self.prefix}/{name}")
        if array.dtype.kind in "OUS":
            content: list[Any] = [str(text).encode() for text in array.ravel()]
            dtype = STRING
        else:
            content = array.ravel().tolist()
            dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.container.add_initializer(unique, dtype, list(array.shape), content)
        return Tensor(unique, dtype)

    def op(self, kind: str, *inputs: Tensor, dtype: int | None = None, **attributes: Any) -> Tensor:
        """One node with one output, of ``dtype`` or of the first input's."""
        return self._node(kind, inputs, dtype or inputs[0].dtype, "", OPSET, attributes)

    def ml(self, kind: str, *inputs: Tensor, dtype: int, **attributes: Any) -> Tensor:
        """The same from the domain ``ai.onnx.ml``."""
        return self._node(kind, inputs, dtype, "ai.onnx.ml", WRITABLE_ML_OPSET, attributes)

    def cast(self, x: Tensor, dtype: int) -> Tensor:
        """``x`` rounded or widened to ``dtype``; itself where it is that already."""
        return x if x.dtype == dtype else self.op("Cast", x, dtype=dtype, to=dtype)

    def single(self, x: Tensor) -> Tensor:
        """float32 numbers, as a trainer reads that rounds its input first."""
        return self.cast(x, FLOAT)

    def double(self, x: Tensor) -> Tensor:
        """float64 numbers."""
        return self.cast(x, DOUBLE)

    def ensemble(self, x: Tensor, ensemble: Ensemble) -> Tensor:
        """Sums of the trees, ``(n, targets)``; ``x`` is cast to the dtype in which the ensemble compares."""
        dtype = FLOAT if ensemble.dtype is np.float32 else DOUBLE
        return self.ml("TreeEnsemble", self.cast(x, dtype), dtype=dtype, **ensemble.attributes())

    def columns(self, x: Tensor, indices: list[int] | NDArray[np.int64]) -> Tensor:
        """Those columns of a matrix, in that order."""
        return self.op("Gather", x, self.constant(np.array(indices, np.int64), "columns"), axis=1)

    def concat(self, *parts: Tensor) -> Tensor:
        """Matrices side by side; they must be of one dtype."""
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=1)

    def reduce(self, kind: str, x: Tensor, keepdims: int = 1) -> Tensor:
        """``ReduceSum``, ``ReduceMax`` … over the columns."""
        return self.op(kind, x, self.constant(np.array([1], np.int64), "axis"), keepdims=keepdims)

    def largest(self, x: Tensor, last: bool = False) -> Tensor:
        """Column of the largest number of each row, the first of equals, or the last: ``(n,) int64``."""
        order = {"select_last_index": 1} if last else {}
        return self.op("ArgMax", x, dtype=INT64, axis=1, keepdims=0, **order)

    def flat(self, x: Tensor) -> Tensor:
        """``(n, 1)`` to ``(n,)``."""
        return self.op("Squeeze", x, self.constant(np.array([1], np.int64), "axis"))

    def _node(
        self,
        kind: str,
        inputs: tuple[Tensor, ...],
        dtype: int,
        domain: str,
        version: int,
        attributes: dict[str, Any],
    ) -> Tensor:
        output: str = self.scope.get_unique_variable_name(f"{self.prefix}/{kind.lower()}")
        name = self.scope.get_unique_operator_name(f"{self.prefix}/{kind}")
        names = [tensor.name for tensor in inputs]
        self.container.add_node(
            kind, names, [output], op_domain=domain, op_version=version, name=name, **attributes
        )
        return Tensor(output, dtype)


assert ML_OPSET > WRITABLE_ML_OPSET  # or nothing would have to be restamped
