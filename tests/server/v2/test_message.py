"""Where the JSON of a request ends, and what it may say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from server.errors import InvalidValues, MalformedBody
from server.v2.message import (
    MAX_OBJECTS,
    MAX_PARAMETER_BYTES,
    MAX_TENSORS,
    Inference,
    flag,
    parse,
    split,
    whole,
)

BODY = b'{"inputs":[]}1234'


def test_the_header_says_where_the_json_ends() -> None:
    """Without it all of the body is JSON; the bytes behind are not copied."""
    assert split(BODY, None) == (BODY, None)
    for size in (0, 13, len(BODY)):
        text, behind = split(BODY, str(size))
        assert text == BODY[:size]
        assert behind is not None
        assert behind.tobytes() == BODY[size:]
        assert behind.obj is BODY


@pytest.mark.parametrize(
    "header", ["", "x", "-1", "+1", "1.0", "1e1", " 1", "0x1", "1,1", "٣", "²", "18", "9" * 18, "9" * 5000]
)
def test_a_header_that_is_no_length_of_the_body(header: str) -> None:
    """Refused in words, whatever it holds and however long it is."""
    with pytest.raises(InvalidValues, match="Inference-Header-Content-Length: expected"):
        split(BODY, header)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'{"x":' * 8000, b'{"inputs":[{"data":[NaN]}]}', b'{"x":"\\ud800"}', BODY],
)
def test_what_is_no_json(text: bytes) -> None:
    """Neither are its words for what is no number; the refusal says what to send for a missing one."""
    with pytest.raises(MalformedBody, match="null is a missing number"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b'{"inputs":{}}',
        b'{"inputs":[{"name":"x","shape":[1.5],"datatype":"FP32"}]}',
        b'{"inputs":[{"name":"x","shape":[1e400],"datatype":"FP32"}]}',
        b'{"inputs":[{"name":"x","shape":["1"],"datatype":"FP32"}]}',
        b'{"inputs":[{"name":"x","shape":[1]}]}',
        b'{"inputs":[],"id":7}',
        b'{"inputs":[],"parameters":{"a":[]}}',
        b'{"inputs":[],"outputs":[{}]}',
    ],
)
def test_what_is_no_request(text: bytes) -> None:
    """Each field has its type."""
    with pytest.raises(InvalidValues, match="not one of the protocol"):
        parse(text)


def test_there_are_only_so_many_tensors() -> None:
    """More are refused before any is looked at."""
    many = b",".join([b'{"name":"x","shape":[1],"datatype":"FP32"}'] * (MAX_TENSORS + 1))
    for text in (b'{"inputs":[%b]}' % many, b'{"inputs":[],"outputs":[%b]}' % many):
        with pytest.raises(InvalidValues, match="at most"):
            parse(text)


OBJECT = b'{"name":"x","shape":[1],"datatype":"FP32"}'


@pytest.mark.parametrize(
    "text",
    [
        b'{"inputs":[%b]}' % b",".join([OBJECT] * (MAX_OBJECTS + 1)),
        b'{"x":[%b]}' % b",".join([b'{ \n"":0}'] * (MAX_OBJECTS + 1)),
        b'{"inputs":[{"name":"x","shape":[%b],"datatype":"FP32"}]}' % b",".join([b"1"] * 200),
        b'{"inputs":[{"name":"x","shape":[%b],"datatype":"FP32"}]}' % (b"1" * 5000),
        b'{"parameters":{%b}}' % b",".join([b'"%d":1' % number for number in range(2000)]),
        b'{"outputs":[{"name":"x","parameters":{"x":"%b"}}]}' % (b"x" * MAX_PARAMETER_BYTES),
    ],
)
def test_what_is_long_is_refused_before_it_is_decoded(text: bytes) -> None:
    """A call of a decoder keeps every other thread out: what it makes is bounded by what is known before."""
    with pytest.raises(InvalidValues, match=r"expected (at most|up to)"):
        parse(text)


def test_as_many_tensors_as_are_taken() -> None:
    """Each with parameters."""
    given = b'{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}'
    wanted = b'{"name":"x","parameters":{"binary_data":true}}'
    both = b",".join([given] * MAX_TENSORS), b",".join([wanted] * MAX_TENSORS)
    request = parse(b'{"inputs":[%b],"outputs":[%b],"parameters":{"x":1}}' % both)
    assert (len(request.inputs), len(request.outputs or ())) == (MAX_TENSORS, MAX_TENSORS)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'{"inputs":[{"name":"a","shape":[1.5],"datatype":"FP32"}]}', r"input 'a': shape: .*\[0\]"),
        (
            b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32","parameters":[]}]}',
            "input 'a': parameters: ",
        ),
        (b'{"outputs":[{"name":"b","parameters":{"x":[]}}]}', "output 'b': parameters: "),
        (b'{"parameters":{"x":[]}}', "protocol: parameters: "),
        (b'{"inputs":[{"name":"a","shape":[1]}]}', r"\$.inputs\[0\]"),
    ],
)
def test_refusals_say_where(text: bytes, where: str) -> None:
    """By the tensor's name."""
    with pytest.raises(InvalidValues) as refused:
        parse(text)
    assert re.search(where, refused.value.faults[0].detail)


def test_braces_in_strings_are_no_objects() -> None:
    """However many there are."""
    words = msgspec.json.encode(['{"a":{"b":1}}'] * MAX_OBJECTS)
    request = parse(b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":%b}]}' % words)
    assert msgspec.json.decode(request.inputs[0].data) == ['{"a":{"b":1}}'] * MAX_OBJECTS
    assert parse(b'{"extra":[%b]}' % b",".join([b"{}"] * (MAX_OBJECTS + 1))) == Inference()


def test_what_clients_add_or_leave_empty_is_no_mistake() -> None:
    """Fields of their own are ignored, and null is as good as nothing."""
    request = parse(
        b'{"id":null,"model_name":"x","parameters":null,"outputs":null,"inputs":[{"name":"x","shape":[1],'
        b'"datatype":"FP32","parameters":null,"data":[1],"extra":{}}]}'
    )
    assert not request.id
    assert request.outputs is None
    assert flag(request.parameters, "binary_data_output", False) is False
    assert whole(request.inputs[0].parameters, "binary_data_size") is None


@pytest.mark.parametrize("value", [0, 1, "true", 1.0, None])
def test_a_flag_is_true_or_false(value: Any) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(InvalidValues, match="expected true or false"):
        flag({"binary_data": value}, "binary_data", True)
