"""Messages over gRPC: field for field the published ones, and read as strictly as JSON."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tritonclient.grpc import service_pb2

from server.errors import InvalidValues, SettingsError
from server.v2.message import MAX_TENSORS
from server.v2.tensors import read
from server.v2.wire import check_installed, form
from server.v2.wire import inference_pb2 as wire
from server.v2.wire.inference_pb2 import ModelInferRequest

OURS, PUBLISHED = wire.DESCRIPTOR.package, service_pb2.DESCRIPTOR.package


def messages(found: Iterator[Descriptor]) -> Iterator[Descriptor]:
    """With those that are declared inside of others."""
    for each in found:
        yield each
        yield from messages(iter(each.nested_types))


def shape_of(field: FieldDescriptor) -> tuple[Any, ...]:
    """All that decides how a field is sent."""
    inner = field.message_type and field.message_type.full_name.removeprefix(OURS).removeprefix(PUBLISHED)
    oneof = field.containing_oneof and field.containing_oneof.name
    return field.number, field.type, field.is_repeated, inner, oneof


def test_every_field_is_the_published_one() -> None:
    """Number, type and place of each; the values of the enumeration, too."""
    pool = service_pb2.DESCRIPTOR.pool
    fields = 0
    for ours in messages(iter(wire.DESCRIPTOR.message_types_by_name.values())):
        published = pool.FindMessageTypeByName(PUBLISHED + ours.full_name.removeprefix(OURS))
        for name, field in ours.fields_by_name.items():
            assert shape_of(field) == shape_of(published.fields_by_name[name]), field.full_name
            fields += 1
    assert fields > 100
    numbers = {value.name: value.number for value in wire.DataType.DESCRIPTOR.values}
    known = pool.FindEnumTypeByName(f"{PUBLISHED}.DataType").values_by_name
    assert numbers.items() <= {name: value.number for name, value in known.items()}.items()


def request(datatype: str, shape: tuple[int, ...], **contents: Any) -> ModelInferRequest:
    """With one typed input."""
    message = ModelInferRequest()
    given = message.inputs.add(name="x", datatype=datatype, shape=shape)
    for name, values in contents.items():
        getattr(given.contents, name).extend(values)
    return message


def elements(message: ModelInferRequest, count: int) -> list[Any]:
    """Of its one input."""
    inference, parts = form.read(message)
    (given,) = inference.inputs
    found: list[Any] = read(given, count, parts).tolist()
    return found


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-32768, 32767]),
        ("INT32", "int_contents", [-(2**31), 2**31 - 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, float("inf")]),
        ("FP64", "fp64_contents", [0.1, -1e300]),
        ("BYTES", "bytes_contents", ["ä".encode(), b""]),
    ],
)
def test_typed_contents(datatype: str, field: str, values: list[Any]) -> None:
    """Each datatype has its field, and every value survives."""
    expected = [value.decode() if isinstance(value, bytes) else value for value in values]
    assert elements(request(datatype, (2,), **{field: values}), 2) == expected


def test_long_contents_are_whole() -> None:
    """They are converted in pieces."""
    numbers = np.arange(2 * form.PIECE + 7, dtype=np.float32)
    message = request("FP32", numbers.shape, fp32_contents=numbers)
    assert elements(message, len(numbers)) == numbers.tolist()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (request("INT8", (1,), int_contents=[128]), "outside of INT8"),
        (request("UINT16", (1,), uint_contents=[65536]), "outside of UINT16"),
        (request("FP64", (1,), fp32_contents=[1]), "expected fp64_contents for FP64, came fp32_contents"),
        (request("FP32", (1,), fp32_contents=[1], int_contents=[1]), "came int_contents, fp32_contents"),
        (request("FP16", (1,), fp32_contents=[1]), "send them raw"),
        (request("nothing", (1,)), "no typed contents of 'nothing'"),
        (request("FP32", (2,), fp32_contents=[1]), "as many elements as shape \\[2\\] has"),
        (request("BYTES", (1,), bytes_contents=[b"\xff"]), "no UTF-8"),
    ],
)
def test_what_is_no_input(message: ModelInferRequest, words: str) -> None:
    """The refusal says what was expected."""
    with pytest.raises(InvalidValues, match=words):
        elements(message, message.inputs[0].shape[0])


def test_raw_contents_are_for_all_inputs_or_for_none() -> None:
    """One too many, one too few, and both forms at once."""
    for raws, contents in [([b"", b""], []), ([struct.pack("<f", 1)], [1.0])]:
        message = request("FP32", (1,), fp32_contents=contents)
        message.raw_input_contents.extend(raws)
        with pytest.raises(InvalidValues, match="for each of the 1 inputs, or for none"):
            form.read(message)
    message = request("FP32", (1,))
    message.raw_input_contents.append(struct.pack("<f", 1.5))
    assert elements(message, 1) == [1.5]


def test_too_many_tensors() -> None:
    """As in JSON."""
    message = ModelInferRequest()
    for _ in range(MAX_TENSORS + 1):
        message.outputs.add(name="label")
    with pytest.raises(InvalidValues, match="at most"):
        form.read(message)


def test_parameters_are_plain_values() -> None:
    """Of outputs; what the form of the answer goes by is not theirs to say."""
    message = request("FP32", (0,))
    wanted = message.outputs.add(name="probabilities")
    wanted.parameters["classification"].int64_param = 2
    wanted.parameters["binary_data"].bool_param = False
    wanted.parameters["other"].SetInParent()
    inference, _ = form.read(message)
    assert inference.outputs is not None
    assert inference.outputs[0].parameters == {"classification": 2, "binary_data": True, "other": None}


def test_without_grpc_the_refusal_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with it there is none."""
    check_installed()
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SettingsError, match=r"pip install 'ml-production-service\[grpc\]'"):
        check_installed()
