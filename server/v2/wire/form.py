"""A request of inference in its protobuf form, as what the service works with; and its answer, written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from registry.manifest import Manifest
from server.v2.datatypes import BYTES, NUMPY
from server.v2.message import MAX_TENSORS, Inference, Input, Output, Parameters
from server.v2.outputs import Buffer
from server.v2.refusal import refuse
from server.v2.tensors import LENGTH, Apart
from server.v2.wire.inference_pb2 import ModelInferRequest, ModelInferResponse

PIECE = 4096
"""Elements that are converted together, in about 0.2 ms: one call keeps every other thread out."""
FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where the elements of each datatype are; those of FP16 can only be raw."""


def read(message: ModelInferRequest) -> tuple[Inference, Apart]:
    """The request, and the bytes of its inputs.

    Raises:
        InvalidValues: inputs are raw and typed at once, or not in the field of their datatype.
    """
    if len(message.inputs) > MAX_TENSORS or len(message.outputs) > MAX_TENSORS:
        raise refuse(f"expected at most {MAX_TENSORS} inputs and outputs")
    parts = _parts(message)
    inputs = tuple(
        Input(each.name, tuple(each.shape), each.datatype, {"binary_data_size": len(part)})
        for each, part in zip(message.inputs, parts, strict=True)
    )
    outputs = tuple(
        Output(each.name, {**_parameters(each.parameters), "binary_data": True}) for each in message.outputs
    )
    return Inference(inputs, outputs or None, message.id, {"binary_data_output": True}), Apart(parts)


def written(manifest: Manifest, id_: str, tensors: Sequence[dict[str, Any]], raws: Sequence[Buffer]) -> bytes:
    """The answer, whose outputs are all raw."""
    response = ModelInferResponse(
        model_name=manifest.name,
        model_version=str(manifest.version),
        id=id_,
        raw_output_contents=map(bytes, raws),
    )
    for each in tensors:
        response.outputs.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
    encoded: bytes = response.SerializeToString()
    return encoded


def _parameters(given: Any) -> Parameters:
    found: Parameters = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        found[name] = getattr(parameter, choice) if choice else None
    return found


def _parts(message: ModelInferRequest) -> list[bytes]:
    raws = message.raw_input_contents
    if not raws:
        return [_packed(each) for each in message.inputs]
    typed = sum(bool(each.contents.ListFields()) for each in message.inputs)
    if typed or len(raws) != len(message.inputs):
        raise refuse(
            f"expected raw_input_contents for each of the {len(message.inputs)} inputs, or for none; came "
            f"{len(raws)}, and {typed} inputs with contents"
        )
    return list(raws)


def _packed(given: ModelInferRequest.InferInputTensor) -> bytes:
    """Typed elements as they would be if they were raw."""
    field = FIELDS.get(given.datatype)
    if field is None:
        raise refuse(
            f"input {given.name[:80]!r}: no typed contents of {given.datatype[:40]!r}; send them raw"
        )
    came = [each.name for each, _ in given.contents.ListFields()]
    if came not in ([], [field]):
        raise refuse(
            f"input {given.name[:80]!r}: expected {field} for {given.datatype}, came {', '.join(came)}"
        )
    values = getattr(given.contents, field)
    if len(values) != math.prod(given.shape):
        shape = str(list(given.shape[:8]))
        raise refuse(
            f"input {given.name[:80]!r}: expected as many elements as shape {shape} has, came {len(values)}"
        )
    if given.datatype == BYTES:
        return b"".join([LENGTH.pack(len(value)) + value for value in values])
    dtype = NUMPY[given.datatype]
    try:
        pieces = [
            np.array(values[start : start + PIECE], dtype).tobytes() for start in range(0, len(values), PIECE)
        ]
    except OverflowError:
        raise refuse(f"input {given.name[:80]!r}: a number is outside of {given.datatype}") from None
    return b"".join(pieces)
