"""Protobuf's wire format, against the reader of the onnx package."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto

from server.explanation import wire
from server.explanation.wire import Malformed, Message, varints

INT64 = st.integers(-(2**63), 2**63 - 1)


def message(data: bytes) -> Message:
    return Message(memoryview(data))


@settings(deadline=None, max_examples=60)
@given(st.lists(INT64, max_size=200), st.lists(st.floats(width=32), max_size=9), st.binary(max_size=9))
def test_what_the_onnx_package_writes_is_read(ints: list[int], floats: list[float], content: bytes) -> None:
    """Numbers one by one with a tag each, floats, bytes; in any number, across the window that is looked
    at."""
    written = AttributeProto(ints=ints, floats=floats, s=content, type=AttributeProto.INTS)
    found = message(written.SerializeToString())
    assert found.integers(8).tolist() == ints
    assert found.floats(7).tobytes() == np.array(floats, np.float32).tobytes()
    assert [bytes(piece) for piece in found.pieces(4)] == [content]
    assert (found.integer(20), found.integer(99, 5), 8 in found) == (AttributeProto.INTS, 5, bool(ints))


@settings(deadline=None, max_examples=60)
@given(st.lists(INT64, max_size=200), st.lists(st.floats(), max_size=9))
def test_packed_numbers_are_read(ints: list[int], doubles: list[float]) -> None:
    """As tensors have them."""
    found = message(TensorProto(int64_data=ints, double_data=doubles).SerializeToString())
    assert found.integers(7).tolist() == ints
    assert found.doubles(10).tobytes() == np.array(doubles).tobytes()


@pytest.mark.parametrize("count", [1, 2, 62, 63, 64, 127, 128, 129, 500, 4000])
def test_a_run_of_any_length_ends_where_it_ends(count: int) -> None:
    """At the next field, or at the end, wherever the windows end."""
    ints = list(range(-1, count - 1))
    for behind in ("", "name"):
        data = b"".join(AttributeProto(ints=[value]).SerializeToString() for value in ints)
        data += AttributeProto(doc_string=behind).SerializeToString() if behind else b""
        found = message(data)
        assert found.integers(8).tolist() == ints
        assert found.text(13) == behind


def test_a_tag_of_two_bytes_in_a_row() -> None:
    """Is a run as well, one at a time."""
    written = AttributeProto(type=AttributeProto.INTS).SerializeToString()
    assert message(written * 3).integers(20).tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x80", "cut off"),
        (b"\x08", "cut off"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "too many bytes"),
        (b"\x08\x01\x08" + b"\xff" * 10 + b"\x01", "too many bytes"),
        (b"\x0a\x05abc", "cut off"),
        (b"\x0d\x00\x00", "cut off"),
        (b"\x09\x00", "cut off"),
        (b"\x0b\x0c", "not used"),
        (b"\x0e", "not used"),
        (b"\x00\x00", "impossible number"),
    ],
)
def test_what_is_malformed_is_refused(data: bytes, why: str) -> None:
    """Cut off, too long, groups, and field number zero."""
    with pytest.raises(Malformed, match=why):
        message(data)


def test_a_field_of_another_kind_is_refused() -> None:
    """Text where a number is expected, half a number, bytes that are no text."""
    with pytest.raises(Malformed, match="another kind"):
        message(b"\x08\x01").pieces(1)
    with pytest.raises(Malformed, match="another kind"):
        message(b"\x0d" + struct.pack("<f", 1)).integers(1)
    with pytest.raises(Malformed, match="within a number"):
        message(b"\x0a\x03abc").floats(1)
    with pytest.raises(Malformed, match="not UTF-8"):
        message(b"\x0a\x01\xff").text(1)
    with pytest.raises(Malformed, match="cut off"):
        message(b"\x0a\x02\x01\x80").integers(1)
    with pytest.raises(Malformed, match="too many"):
        varints(memoryview(b"\xff" * 10 + b"\x01"))
    assert message(b"\x0a\x00").integers(1).tolist() == []


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    """Nothing else happens; and what was read is no longer than what was given."""
    try:
        found = message(data)
    except Malformed:
        return
    for number in found._fields:
        for read in (found.integers, found.floats, found.doubles, found.texts, found.pieces):
            try:
                assert len(read(number)) <= len(data)
            except Malformed:
                continue


def test_a_short_run_costs_a_short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many runs of two in a large message are not a look at all that follows each: time would be squared."""
    looked: list[int] = []
    whole: Any = np.frombuffer

    def counting(data: memoryview, dtype: Any) -> Any:
        looked.append(len(data))
        return whole(data, dtype)

    monkeypatch.setattr(np, "frombuffer", counting)
    pairs = (b"\x08\x01" * 2 + b"\x10\x01" * 2) * 2000
    assert len(message(pairs).integers(2)) == 4000
    assert max(looked) == wire.WINDOW
