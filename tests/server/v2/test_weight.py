"""What a protobuf parser would make of a request, counted before."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidValues, MalformedBody
from server.v2.message import MAX_PARAMETER_BYTES, MAX_TENSORS
from server.v2.wire.inference_pb2 import InferParameter, ModelInferRequest
from server.v2.wire.weight import MAX_FIELDS, check_weight

GROUPS = (3, 4)


def request(inputs: int = 1, **tensor: Any) -> ModelInferRequest:
    """As a client sends it."""
    message = ModelInferRequest(model_name="x", id="7")
    message.parameters["binary_data_output"].bool_param = True
    for number in range(inputs):
        message.inputs.add(**{"name": f"column {number}", "datatype": "FP32", "shape": [10, 1], **tensor})
        message.outputs.add(name=f"output {number}").parameters["classification"].int64_param = 3
    return message


def test_as_many_tensors_as_are_taken_pass() -> None:
    """Raw or typed, with parameters of their own."""
    message = request(MAX_TENSORS)
    message.raw_input_contents.extend([b"12345678"] * MAX_TENSORS)
    check_weight(message.SerializeToString())
    words = request()
    words.inputs[0].contents.bytes_contents.extend([b""] * 2 * MAX_FIELDS)
    check_weight(words.SerializeToString())
    check_weight(b"")


@pytest.mark.parametrize(
    "body",
    [
        b"\x2a\x00" * (MAX_FIELDS + 1),
        b"\x32\x00" * (MAX_FIELDS + 1),
        b"\x3a\x00" * (MAX_FIELDS + 1),
        b"\x22\x00" * (MAX_FIELDS + 1),
        request(name="x", shape=[1] * 1000).SerializeToString(),
        b"\x2a\x80\x80\x08" + b"\x18\x01" * (1 << 16),
        b"\x2a\x80\x80\x08" + b"\x22\x00" * (1 << 16),
        request(parameters={"x": {"string_param": "x" * MAX_PARAMETER_BYTES}}).SerializeToString(),
        ModelInferRequest(
            parameters={"x": InferParameter(string_param="x" * MAX_PARAMETER_BYTES)}
        ).SerializeToString(),
        ModelInferRequest(
            outputs=[{"parameters": {"x": {"string_param": "x" * MAX_PARAMETER_BYTES}}}]
        ).SerializeToString(),
    ],
)
def test_what_is_heavier_than_its_tensors(body: bytes) -> None:
    """Two bytes are enough for an object."""
    ModelInferRequest.FromString(body)
    with pytest.raises(InvalidValues, match="expected at most"):
        check_weight(body)


@given(st.binary(max_size=40), st.sampled_from([b"", request().SerializeToString()]), st.integers(0, 80))
def test_what_is_refused_as_broken_is_broken(added: bytes, sound: bytes, cut: int) -> None:
    """Whatever comes; groups alone, which nobody has sent for decades, are known to parsers."""
    body = sound[: max(len(sound) - cut, 0)] + added
    try:
        check_weight(body)
    except MalformedBody:
        if not any(byte & 7 in GROUPS for byte in body):
            with pytest.raises(DecodeError):
                ModelInferRequest.FromString(body)
    except InvalidValues:
        pass


@pytest.mark.parametrize("body", [b"\x2a", b"\x2a\x05", b"\x08" + b"\x80" * 11, b"\x0d\x00", b"\x0b\x0c"])
def test_what_is_no_message(body: bytes) -> None:
    """Cut off, or of a kind that nobody sends any more."""
    with pytest.raises(MalformedBody, match="no ModelInferRequest"):
        check_weight(body)
