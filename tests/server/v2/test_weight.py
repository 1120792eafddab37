"""What a protobuf parser would make of a request, counted before."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidValues, MalformedBody
from server.v2.message import MAX_TENSORS
from server.v2.wire.inference_pb2 import InferParameter, ModelInferRequest
from server.v2.wire.weight import LIGHT_BYTES, check_weight

GROUP = "a group"


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
    for each in message.inputs:
        each.parameters["x"].int64_param = 1
    message.raw_input_contents.extend([b"12345678"] * MAX_TENSORS)
    check_weight(message.SerializeToString())
    words = request()
    words.inputs[0].contents.bytes_contents.extend([b""] * 100_000)
    check_weight(words.SerializeToString())
    check_weight(b"")


def whole(kind: int, field: bytes) -> bytes:
    """A field of the request."""
    size = len(field)
    return bytes([kind << 3 | 2, size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + field


LONG = {"x": InferParameter(string_param="x" * (LIGHT_BYTES + 1))}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x2a\x00" * 10_000, "at most 4096 inputs"),
        (b"\x32\x00" * 10_000, "at most 4096 outputs"),
        (b"\x3a\x00" * 10_000, "at most 4096 raw_input_contents"),
        (b"\x22\x00" * 10_000, "at most 64 parameters"),
        (b"\x0a\x00" * 10_000, "at most 64 fields beside the tensors"),
        (whole(5, b"\x18\x01" * 10_000), "at most 64 fields in one of the inputs"),
        (whole(5, b"\x22\x00" * 10_000), "at most 64 fields in one of the inputs"),
        (whole(6, b"\x12\x00" * 10_000), "at most 64 fields in one of the outputs"),
        (request(shape=[1] * LIGHT_BYTES).SerializeToString(), "shape: expected at most 256 bytes"),
        (ModelInferRequest(parameters=LONG).SerializeToString(), "parameters: expected at most 8192 bytes"),
        (request(parameters=LONG).SerializeToString(), "parameters: expected at most 8192 bytes"),
        (
            ModelInferRequest(
                outputs=[ModelInferRequest.InferRequestedOutputTensor(parameters=LONG)]
            ).SerializeToString(),
            "parameters: expected at most 8192 bytes",
        ),
    ],
)
def test_what_is_heavier_than_its_tensors(body: bytes, words: str) -> None:
    """Two bytes are enough for an object."""
    ModelInferRequest.FromString(body)
    with pytest.raises(InvalidValues, match=words):
        check_weight(body)


FILLED = request(name="x" * LIGHT_BYTES).SerializeToString()


@given(st.binary(max_size=40), st.sampled_from([b"", request().SerializeToString()]), st.integers(0, 80))
def test_what_is_refused_as_broken_is_broken(added: bytes, sound: bytes, cut: int) -> None:
    """Whatever comes behind a sound request; parsers know groups, which nobody has sent for decades."""
    body = FILLED + sound[: max(len(sound) - cut, 0)] + added
    try:
        check_weight(body)
    except MalformedBody as error:
        if GROUP not in str(error):
            with pytest.raises(DecodeError):
                ModelInferRequest.FromString(body)
    except InvalidValues:
        pass


@pytest.mark.parametrize("end", [b"\x2a", b"\x2a\x05", b"\x08" + b"\x80" * 11, b"\x0d\x00", b"\x0b\x0c"])
def test_what_is_no_message(end: bytes) -> None:
    """Cut off, or of a kind that nobody sends any more."""
    with pytest.raises(MalformedBody, match="no ModelInferRequest"):
        check_weight(FILLED + end)
