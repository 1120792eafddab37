"""Columns side by side that one tensor cannot hold: strings next to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convert.errors import Unconvertible
from convert.graphs.writer import STRING, Tensor, Writer


class Part(NamedTuple):
    """Some columns of a frame."""

    tensor: Tensor
    """``(n, width)``."""
    width: int


class Frame(NamedTuple):
    """What a ColumnTransformer cuts up: numbers and strings, in the order in which the trainer has them."""

    parts: tuple[Part, ...]


Columns = Tensor | Frame
"""A matrix of one dtype, or columns of several."""


def matrix(w: Writer, x: Columns) -> Tensor:
    """Everything as one tensor: strings if all are strings, else numbers, float64 where their dtypes differ.

    Raises:
        Unconvertible: strings and numbers stand side by side.
    """
    return x if isinstance(x, Tensor) else beside(w, [part.tensor for part in x.parts])


def beside(w: Writer, tensors: Sequence[Tensor]) -> Tensor:
    """Matrices side by side, float64 where their dtypes differ: that holds every number of the others.

    Raises:
        Unconvertible: strings and numbers stand side by side.
    """
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1:
        if STRING in dtypes:
            raise Unconvertible(
                "strings and numbers in one matrix; encode the strings in a ColumnTransformer"
            )
        tensors = [w.double(tensor) for tensor in tensors]
    return w.concat(*tensors)


def numbers(w: Writer, x: Columns) -> Tensor:
    """The same, refusing strings.

    Raises:
        Unconvertible: there are strings.
    """
    found = matrix(w, x)
    if found.dtype == STRING:
        raise Unconvertible("it reads numbers, and is given strings")
    return found


def doubles(w: Writer, x: Columns) -> Tensor:
    """``numbers`` in float64."""
    return w.double(numbers(w, x))


def frame(x: Columns, width: int) -> Frame:
    """``x`` as a frame; ``width`` tells the columns of a matrix."""
    return x if isinstance(x, Frame) else Frame((Part(x, width),))


def select(w: Writer, x: Columns, indices: Sequence[int], width: int) -> Columns:
    """Those columns of ``width``, in that order; a matrix where one dtype is left."""
    if list(indices) == list(range(width)):
        return x
    if isinstance(x, Tensor):
        return w.columns(x, list(indices))
    where = [(number, at) for number, part in enumerate(x.parts) for at in range(part.width)]
    runs: list[tuple[int, list[int]]] = []
    for number, at in (where[index] for index in indices):
        if runs and runs[-1][0] == number:
            runs[-1][1].append(at)
        else:
            runs.append((number, [at]))
    parts = [_some(w, x.parts[number], chosen) for number, chosen in runs]
    return flattened(w, parts)


def flattened(w: Writer, parts: Iterable[Part]) -> Columns:
    """A matrix if all parts are numbers or all are strings, else a frame."""
    parts = tuple(parts)
    if len({part.tensor.dtype == STRING for part in parts}) == 1:
        return beside(w, [part.tensor for part in parts])
    return Frame(parts)


def _some(w: Writer, part: Part, chosen: list[int]) -> Part:
    whole = chosen == list(range(part.width))
    return Part(part.tensor if whole else w.columns(part.tensor, chosen), len(chosen))
