"""The protocol's datatypes, and which of them a model's input takes."""

from __future__ import annotations

import numpy as np

from registry.manifest import Label

NUMPY = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""All but ``BYTES``, whose elements have no fixed size. On the wire they are little-endian."""
BYTES = "BYTES"
NAMES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "string": BYTES}
"""Dtype of a feature, or of an output, to its datatype."""


def takes(wanted: str, given: str) -> bool:
    """Whether an input of one datatype takes another: where every value keeps its exact number.

    An int64 beyond 2 ** 53 is no float64, whatever numpy calls safe; and a truth value is no number.
    """
    if given == wanted:
        return True
    if given not in NUMPY or wanted not in NUMPY or "BOOL" in (given, wanted):
        return False
    wide = given in ("INT64", "UINT64") and wanted.startswith("FP")
    return not wide and np.can_cast(NUMPY[given], NUMPY[wanted], "safe")


def of_labels(classes: tuple[Label, ...]) -> str:
    """Datatype of a label in its own type."""
    kinds = {bool: "BOOL", int: "INT64", float: "FP64", str: BYTES}
    return kinds[type(classes[0])]
