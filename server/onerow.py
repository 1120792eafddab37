"""One row at a time: the request that counts most, through memory that onnxruntime knows already.

A ``run`` with arrays makes a few objects for every feed and every output, and looks each of them up by name.
Where all inputs are numbers, a row is instead packed into memory that was bound to the session when the model
was loaded, and its answer is read from memory that was bound too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from math import nan
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Value

Numbers = list[Any]
"""Of one output: int or float, as its dtype has it."""
CODES = {"float32": "f", "float64": "d", "int64": "q"}
"""Of the ``struct`` module. It rounds a float64 to a float32 as numpy does: to the nearest."""


class Tensor(NamedTuple):
    """An input or an output for one row."""

    name: str
    dtype: str
    """Of numpy: float32, float64 or int64."""
    shape: tuple[int, ...]


class OneRow(Protocol):
    """Runs a model on one row. Safe to call from several threads."""

    def first(self, row: Sequence[Value]) -> Any:
        """The first number of the first output: a label's index (int), or a regression's value (float)."""

    def all(self, row: Sequence[Value]) -> list[Numbers]:
        """The numbers of every output."""


class BoundRow:
    """Through bound memory. There are as many pieces of it as threads were ever in here at once."""

    def __init__(
        self, session: Any, options: Any, inputs: list[Tensor], outputs: list[Tensor], missing: bool
    ) -> None:
        """Nothing is bound before the first row.

        Args:
            session: onnxruntime's.
            options: of a run that is asked for some of the outputs.
            inputs: together they hold the row, in its order; native alignment puts each where it must be.
            outputs: with the shapes that they have for one row.
            missing: whether a value may be None; it goes in as NaN.
        """
        self._session, self._options, self._inputs = session, options, inputs
        self._outputs, self._missing = outputs, missing
        self._idle_first: list[_Memory] = []
        self._idle_all: list[_Memory] = []

    def first(self, row: Sequence[Value]) -> Any:
        """The first number of the first output; the others are not asked for."""
        idle = self._idle_first
        try:
            memory = idle.pop()  # one step for the interpreter: no two threads get the same
        except IndexError:
            memory = _Memory(self._session, self._options, self._inputs, self._outputs[:1])
        memory.pack(*([nan if value is None else value for value in row] if self._missing else row))
        memory.run()
        found = memory.first[0]
        idle.append(memory)
        return found

    def all(self, row: Sequence[Value]) -> list[Numbers]:
        """The numbers of every output."""
        idle = self._idle_all
        try:
            memory = idle.pop()
        except IndexError:
            memory = _Memory(self._session, self._options, self._inputs, self._outputs)
        memory.pack(*([nan if value is None else value for value in row] if self._missing else row))
        memory.run()
        found = [output.tolist() for output in memory.outputs]
        idle.append(memory)
        return found


class _Memory:
    """For one row and its answer."""

    def __init__(self, session: Any, options: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        codes = [f"{int(np.prod(tensor.shape))}{CODES[tensor.dtype]}" for tensor in inputs]
        packer = struct.Struct("@" + "".join(codes))
        self._row = np.zeros(packer.size // 8 + 1, np.float64)  # float64: for its alignment
        self.pack = partial(packer.pack_into, self._row.data.cast("B"), 0)
        """Put a row in."""
        self._answers = [np.zeros(tensor.shape, tensor.dtype) for tensor in outputs]
        self.outputs = [answer.reshape(-1).data for answer in self._answers]
        self.first = self.outputs[0]
        binding = session.io_binding()
        for index, tensor in enumerate(inputs):
            # What comes before it, and then a nothing that is aligned as it is itself.
            at = struct.calcsize("@" + "".join(codes[:index]) + "0" + CODES[tensor.dtype])
            where = self._row.ctypes.data + at
            binding.bind_input(tensor.name, "cpu", 0, np.dtype(tensor.dtype), list(tensor.shape), where)
        for tensor, answer in zip(outputs, self._answers, strict=True):
            where = answer.ctypes.data
            binding.bind_output(tensor.name, "cpu", 0, np.dtype(tensor.dtype), list(tensor.shape), where)
        self._binding = binding  # holds what the call below runs on
        # The call that the session's own method makes, without the microsecond that it takes to get there.
        self.run = partial(session._sess.run_with_iobinding, binding._iobinding, options)
        """Work out the answer of the row that is in."""


class FedRow:
    """Through arrays that are used again: for models that take text, which cannot be packed."""

    def __init__(
        self, session: Any, options: Any, dtypes: list[tuple[str, type]], outputs: list[str]
    ) -> None:
        """``dtypes`` has the name and the numpy dtype of each column, in the order of a row; or of all."""
        self._session, self._options, self._dtypes, self._outputs = session, options, dtypes, outputs
        self._idle: list[dict[str, NDArray[Any]]] = []

    def first(self, row: Sequence[Value]) -> Any:
        """The first number of the first output; the others are not asked for."""
        return self._run(self._outputs[:1], row)[0].reshape(-1)[0].item()

    def all(self, row: Sequence[Value]) -> list[Numbers]:
        """The numbers of every output."""
        return [found.reshape(-1).tolist() for found in self._run(self._outputs, row)]

    def _run(self, outputs: list[str], row: Sequence[Value]) -> list[NDArray[Any]]:
        try:
            feed = self._idle.pop()
        except IndexError:
            width = len(row) // len(self._dtypes)
            feed = {name: np.zeros((1, width), dtype) for name, dtype in self._dtypes}
        if len(feed) == 1:
            feed[self._dtypes[0][0]][0] = row
        else:
            for array, value in zip(feed.values(), row, strict=True):
                array[0, 0] = value
        found: list[NDArray[Any]] = self._session.run(outputs, feed, self._options)
        self._idle.append(feed)
        return found
