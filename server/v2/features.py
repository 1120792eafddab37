"""The inputs of a model as tensors, and a request's tensors as what its session is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Feature, Signature
from server.errors import TooLarge
from server.schema import bounds
from server.session import Session
from server.v2.datatypes import BYTES, NAMES, NUMPY, takes
from server.v2.limits import Limits
from server.v2.message import Input
from server.v2.refusal import refuse
from server.v2.tensors import LENGTH, Behind, elements, read

MAX_FAULTS = 20
Feed = dict[str, NDArray[Any]]


class Tensor(NamedTuple):
    """One input of the model, as it was converted: a matrix of all features, or a column of one."""

    name: str
    datatype: str
    features: tuple[Feature, ...]

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.features)

    @property
    def row_bytes(self) -> int:
        """Of a row in its binary form; of strings, without their letters."""
        return self.width * (LENGTH.size if self.datatype == BYTES else NUMPY[self.datatype].itemsize)


class Features:
    """Reads the inputs of requests for one model. Safe to call from several threads."""

    def __init__(self, session: Session, signature: Signature) -> None:
        """Work out what is to be checked."""
        features = signature.features
        names = session.input_names
        groups = [features] if len(names) == 1 else [(feature,) for feature in features]
        self.tensors = tuple(
            Tensor(name, NAMES[group[0].dtype], tuple(group))
            for name, group in zip(names, groups, strict=True)
        )
        self._by_name = {tensor.name: tensor for tensor in self.tensors}
        self._limits = {
            tensor.name: Limits(tensor.features, NUMPY[tensor.datatype])
            for tensor in self.tensors
            if tensor.datatype != BYTES
        }
        self.row_bytes = sum(tensor.row_bytes for tensor in self.tensors)
        """Of a row in its binary form, at least."""

    def read(self, inputs: Sequence[Input], behind: Behind | None, max_rows: int) -> tuple[Feed, int]:
        """What the model is fed, checked as strictly as a native request; and how many rows it has.

        Raises:
            InvalidValues, TooLarge: inputs that are not those of the model, or values that are not taken.
        """
        self._check_names(inputs)
        feed: Feed = {}
        rows = None
        for given in inputs:
            tensor = self._by_name[given.name]
            count = self._rows(tensor, given, max_rows)
            if rows is not None and count != rows:
                raise refuse(f"input {given.name!r}: expected {rows} rows as in the others, came {count}")
            rows = count
            flat = read(given, elements(given, max_rows * tensor.width), behind)
            feed[tensor.name] = self._checked(tensor, flat.reshape(count, tensor.width))
        if behind is not None:
            behind.end()
        assert rows is not None, "a model has an input"
        return feed, rows

    def _checked(self, tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
        """In the model's dtype, every value one that is taken."""
        if tensor.datatype == BYTES:
            for index, feature in enumerate(tensor.features):
                _check_categories(feature, values[:, index])
            return values
        values = values.astype(NUMPY[tensor.datatype], copy=False)
        limits = self._limits[tensor.name]
        if not limits.all_inside(values):
            wrong = limits.outside(values)
            if wrong.any():
                raise _wrong(tensor, values, wrong)
        return values

    def _check_names(self, inputs: Sequence[Input]) -> None:
        given = [tensor.name for tensor in inputs]
        expected = list(self._by_name)
        if sorted(given) != sorted(expected):
            shown = ", ".join(given[:MAX_FAULTS]) or "none"
            raise refuse(f"expected each of the inputs {', '.join(expected)} once, came {shown[:400]}")

    def _rows(self, tensor: Tensor, given: Input, max_rows: int) -> int:
        if given.datatype not in (*NUMPY, BYTES):
            raise refuse(f"input {given.name!r}: no datatype of the protocol: {given.datatype[:40]!r}")
        if not takes(tensor.datatype, given.datatype):
            raise refuse(
                f"input {given.name!r}: expected {tensor.datatype}, or what widens to it exactly, came "
                f"{given.datatype}"
            )
        shape = given.shape
        column = tensor.width == 1 and len(shape) == 1
        if not column and (len(shape) != 2 or shape[1] != tensor.width):
            came = str(list(shape[:8]))
            raise refuse(f"input {given.name!r}: expected shape [rows, {tensor.width}], came {came}")
        if shape[0] > max_rows:
            raise TooLarge(f"expected at most {max_rows} rows, came {shape[0]}; send them in parts")
        return shape[0]


def _wrong(tensor: Tensor, values: NDArray[Any], wrong: NDArray[np.bool_]) -> Exception:
    told = []
    for row, column in np.argwhere(wrong)[:MAX_FAULTS].tolist():
        feature = tensor.features[column]
        low, high = bounds(feature)
        came = "a missing value" if np.isnan(values[row, column]) else f"{values[row, column]!s}"
        told.append(f"row {row}: {feature.name}: expected a number from {low:g} to {high:g}, came {came}")
    return refuse("; ".join(told))


def _check_categories(feature: Feature, values: NDArray[Any]) -> None:
    if feature.categories is None:
        return
    known = frozenset(feature.categories)
    for row, value in enumerate(values.tolist()):
        if value not in known:
            shown = ", ".join(feature.categories[:MAX_FAULTS])
            raise refuse(f"row {row}: {feature.name}: expected one of {shown}, came {value[:40]!r}")
