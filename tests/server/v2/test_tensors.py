"""Tensors of a request: the same elements whichever way they are written, and a refusal for all else."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from server.errors import InvalidValues
from server.v2.datatypes import NUMPY, takes
from server.v2.message import Input
from server.v2.tensors import PIECE_BYTES, Behind, _pieces, elements, read

NUMBERS = st.sampled_from([name for name in NUMPY if name not in ("BOOL", "FP16")])


def tensor(datatype: str, shape: tuple[int, ...], data: Any = None, **parameters: Any) -> Input:
    """An input; data is written as it is when it is bytes."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Input("x", shape, datatype, parameters, msgspec.Raw(b"" if data is None else raw))


def refuse(given: Input, behind: bytes | None, words: str) -> None:
    """It is the caller's fault, in these words."""
    with pytest.raises(InvalidValues, match=words):
        read(given, elements(given, 1 << 20), None if behind is None else Behind(memoryview(behind)))


@given(data=st.data(), datatype=NUMBERS, rows=st.integers(0, 5), width=st.integers(1, 4))
def test_flat_nested_and_binary_are_one_tensor(data: Any, datatype: str, rows: int, width: int) -> None:
    """Every number of every datatype comes back to the last bit, in each of the three forms."""
    finite = {} if NUMPY[datatype].kind in "iu" else {"allow_nan": False, "allow_infinity": False}
    values = data.draw(arrays.arrays(NUMPY[datatype], (rows, width), elements=finite))
    flat, nested = (
        read(tensor(datatype, (rows, width), said), rows * width, None)
        for said in (values.reshape(-1).tolist(), values.tolist())
    )
    raw = values.tobytes()
    size = tensor(datatype, (rows, width), binary_data_size=len(raw))
    binary = read(size, rows * width, Behind(memoryview(raw)))
    for found in (flat, nested, binary):
        assert found.dtype == values.dtype
        assert found.tobytes() == raw


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("nested", [False, True])
def test_long_data_is_read_in_pieces(nested: bool, indent: int | None) -> None:
    """Tens of thousands of numbers, with and without white space, keep order and place."""
    values = np.arange(40_000.0).reshape(-1, 4)
    text = json.dumps((values if nested else values.reshape(-1)).tolist(), indent=indent).encode()
    found = read(tensor("FP64", values.shape, text), values.size, None)
    assert found.tolist() == values.reshape(-1).tolist()


@pytest.mark.parametrize(
    "shape", [(1 << 40, 1 << 40), (10**30,), (3, 1 << 62), (1,) * 9, (-1, 4), (2, -3), (-2, -2)]
)
def test_a_shape_is_measured_before_anything_is_allocated(shape: tuple[int, ...]) -> None:
    """A product beyond the cap, a negative size, too many of them: refused by arithmetic alone."""
    with pytest.raises(InvalidValues, match="expected"):
        elements(tensor("FP32", shape), 1 << 20)


LONG = "[" + "1," * 30_000
MALFORMED_JSON = [
    ("FP32", (1,), b"[1e999]", "expected elements of FP32"),
    ("FP64", (1,), b"[" + b"1" * 5000 + b"]", "expected elements of FP64"),
    ("BYTES", (1,), b'["\xff"]', "expected elements of BYTES"),
    ("FP32", (30_001,), LONG.encode() + b'"a,b"]', "came"),
    ("FP32", (30_001,), LONG.encode() + b"[2,3]]", "expected"),
    ("FP32", (20_001,), b"[1,[" + b",".join([b"1"] * 20_000) + b"]]", "nested as shape"),
    ("FP32", (2, 20_000), b"[[1],[" + b",".join([b"[1]"] * 20_000) + b"]]", "nested as shape"),
    ("FP32", (2, 2), [[1, 2], [3]], "not nested"),
    ("FP32", (2, 2), [[1, 2], 3, 4], "not nested"),
    ("FP32", (2, 2), [[1, 2]], "not nested"),
    ("FP32", (2,), [[1, 2]], "not nested"),
    ("FP32", (2, 2), [1, 2, 3], "expected 4 elements .* came 3"),
    ("FP32", (2, 2), [1, 2, 3, 4, 5], "came more than 4"),
    ("FP32", (1,), b"{}", "expected an array"),
    ("FP32", (1,), b"null", "expected an array"),
    ("FP32", (1,), None, "came neither"),
    ("FP32", (1,), ["1"], "element 0: expected FP32"),
    ("FP32", (1,), [True], "expected FP32, came true"),
    ("FP32", (1,), [1e39], "outside of FP32"),
    ("FP64", (1,), [10**400], "outside of FP64"),
    ("FP16", (1,), [1], "FP16 has no form in JSON"),
    ("INT64", (1,), [1.0], "expected INT64"),
    ("INT64", (1,), [None], "expected INT64, came null"),
    ("INT64", (1,), [2**63], "outside of INT64"),
    ("UINT8", (1,), [-1], "outside of UINT8"),
    ("INT8", (1,), [128], "outside of INT8"),
    ("BOOL", (1,), [1], "expected BOOL"),
    ("BYTES", (1,), [1], "expected BYTES"),
    ("BYTES", (1,), [None], "expected BYTES"),
]


@pytest.mark.parametrize(("datatype", "shape", "data", "words"), MALFORMED_JSON)
def test_data_that_is_not_what_it_says(datatype: str, shape: tuple[int, ...], data: Any, words: str) -> None:
    """Wrong count, nesting, type or size of a number, however it is hidden: a refusal that says so."""
    refuse(tensor(datatype, shape, data), None, words)


def text(*values: str) -> bytes:
    """Strings in binary form."""
    return b"".join(struct.pack("<I", len(value)) + value.encode() for value in values)


MALFORMED_BINARY = [
    ("FP32", (1, 2), b"\0" * 8, 4, "expected 8 bytes .* came 4"),
    ("FP32", (1, 2), b"\0" * 8, 12, "12 bytes of binary data, 8 are left"),
    ("FP32", (1, 2), b"\0" * 8, -8, "whole number"),
    ("FP32", (1, 2), b"\0" * 8, 8.0, "whole number"),
    ("FP32", (1, 2), b"\0" * 8, "8", "whole number"),
    ("FP32", (1, 2), b"\0" * 8, True, "whole number"),
    ("FP32", (1, 2), None, 8, "without the header"),
    ("BOOL", (1,), b"\2", 1, "0 or 1"),
    ("BYTES", (1,), b"\1\0\0", 3, "cut off"),
    ("BYTES", (1,), b"\xff\xff\xff\xffab", 6, "4294967295 bytes, but 2 are left"),
    ("BYTES", (1,), text("a", "b"), 10, "came more than 1"),
    ("BYTES", (3,), text("a", "b"), 10, "came 2"),
    ("BYTES", (1,), b"\1\0\0\0\xff", 5, "no UTF-8"),
]


@pytest.mark.parametrize(("datatype", "shape", "behind", "size", "words"), MALFORMED_BINARY)
def test_bytes_that_are_not_what_they_say(
    datatype: str, shape: tuple[int, ...], behind: bytes | None, size: Any, words: str
) -> None:
    """A size that does not fit shape or body, a length that lies, no text: a refusal that says so."""
    refuse(tensor(datatype, shape, binary_data_size=size), behind, words)


def test_data_and_bytes_exclude_each_other() -> None:
    """Nobody could say which of them counts."""
    refuse(tensor("FP32", (1,), [1], binary_data_size=4), b"\0" * 4, "came both")


def test_strings_of_any_length_come_back() -> None:
    """Empty ones, NUL characters and all of Unicode, in both forms."""
    words = ["", "a\0b", "ü", "\U0001f600", "x" * 70_000, '","[']
    raw = text(*words[:2]) + b"".join(
        struct.pack("<I", len(word.encode())) + word.encode() for word in words[2:]
    )
    size = tensor("BYTES", (6,), binary_data_size=len(raw))
    assert read(size, 6, Behind(memoryview(raw))).tolist() == words
    assert read(tensor("BYTES", (6,), words), 6, None).tolist() == words


def test_no_rows_are_an_empty_tensor() -> None:
    """A size of zero with a dimension of zero is legal."""
    for data, behind in (([], None), (None, Behind(memoryview(b"")))):
        size = {} if behind is None else {"binary_data_size": 0}
        assert read(tensor("FP32", (0, 4), data, **size), 0, behind).shape == (0,)


@pytest.mark.parametrize("offset", range(9))
def test_numbers_are_where_the_body_is(offset: int) -> None:
    """Aligned bytes are used in place; others are moved in one piece, because processors may refuse them."""
    body = b" " * offset + np.arange(8, dtype=np.float32).tobytes()
    size = tensor("FP32", (8,), binary_data_size=32)
    found = read(size, 8, Behind(memoryview(body)[offset:]))
    assert found.tolist() == list(range(8))
    assert found.flags.aligned
    assert np.shares_memory(found, np.frombuffer(body, np.uint8)) is (offset % 4 == 0)


WIDENS = {
    "FP32": {"FP32", "FP16", "INT8", "UINT8", "INT16", "UINT16"},
    "FP64": {"FP64", "FP32", "FP16", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32"},
    "INT64": {"INT64", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32"},
    "BYTES": {"BYTES"},
}


@pytest.mark.parametrize("wanted", WIDENS)
def test_what_widens_exactly_is_taken(wanted: str) -> None:
    """And nothing that would lose a bit, nor a truth value for a number."""
    assert {given for given in (*NUMPY, "BYTES") if takes(wanted, given)} == WIDENS[wanted]


WORDS = ['",', ",", "]", '"]', "[", "\\", '\\"', "ü", "", '","', '"],["']


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("spaces", [False, True])
def test_many_words_are_read_in_pieces(nested: bool, spaces: bool) -> None:
    """What looks like an end inside of a word is none."""
    words = [WORDS[number % len(WORDS)] * (number % 7) for number in range(2 * 9001)]
    rows = [words[at : at + 2] for at in range(0, len(words), 2)]
    text = json.dumps(rows if nested else words, separators=(" , ", ": ") if spaces else (",", ":")).encode()
    assert len(text) > 3 * PIECE_BYTES
    tensor_given = Input("x", (len(rows), 2), "BYTES", None, msgspec.Raw(text))
    assert len(list(_pieces(tensor_given))) > 3
    assert read(tensor_given, len(words), None).tolist() == words


@pytest.mark.parametrize("wrong", ["7", "null", '["a"]', '{"a":"b"}'])
def test_what_is_no_word_among_many(wrong: str) -> None:
    """It is refused wherever it is."""
    words = ['"abc"'] * 9000
    for at in (0, 4500, 9000):
        text = "[" + ",".join([*words[:at], wrong, *words[at:]]) + "]"
        with pytest.raises(InvalidValues, match="input 'x'"):
            read(Input("x", (9001,), "BYTES", None, msgspec.Raw(text.encode())), 9001, None)


def test_what_is_decoded_together_is_never_long() -> None:
    """A row that does not end is refused; one that is as long as the shape says is read."""
    zeros, words = b",".join([b"0"] * 200_000), b",".join([b'"a"'] * 200_000)
    for data in (b"[[%b]]" % zeros, b"[[0,0],%b]" % zeros):
        refuse(tensor("FP32", (1, 4), data), None, "data is not nested as shape")
    for data in (b"[[%b]]" % words, b'[["a","a"],%b]' % words):
        refuse(tensor("BYTES", (1, 4), data), None, "data is not nested as shape")
    assert read(tensor("FP32", (1, 200_000), b"[[%b]]" % zeros), 200_000, None).shape == (200_000,)
    assert read(tensor("BYTES", (1, 200_000), b"[[%b]]" % words), 200_000, None).shape == (200_000,)


def test_words_of_escapes_need_no_memory_of_their_own() -> None:
    """A pattern that could go back keeps a place for every escape: 60 bytes for each of the body's."""
    body = b'["%b","b"]' % (b"\\n" * (1 << 20))
    tracemalloc.start()
    try:
        assert read(tensor("BYTES", (2,), body), 2, None).tolist() == ["\n" * (1 << 20), "b"]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * len(body)
