"""A batch read straight into arrays is what the schema reads, to the last bit, or is left to the schema."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simdjson import Array, Parser

from registry.manifest import Dtype, Feature, Signature
from server.matrix import MISSING, MOST_CHUNK_BYTES, Matrix, MatrixReader, matrix_reader
from server.schema import REFUSALS, BadSlice, Schema, open_envelope


def signature(*features: Feature) -> Signature:
    """Of a classifier."""
    return Signature(features=features, classes=("a", "b"))


def named(width: int, dtype: Dtype = "float64", missing: bool = False) -> list[Feature]:
    """Features with the range of their dtype."""
    return [Feature(name=f"f{index}", dtype=dtype, may_be_missing=missing) for index in range(width)]


SIGNATURES = {
    "narrow": signature(*(Feature(name=name, dtype="float32", minimum=-9, maximum=30) for name in "abcd")),
    "open": signature(*named(2)),
    "single": signature(*named(1, "float32")),
    "missing": signature(*named(2, missing=True), Feature(name="c", dtype="float32", minimum=0)),
}
SCHEMAS = {name: Schema(made, f"{name}.1") for name, made in SIGNATURES.items()}
MOST_ROWS = 8


def general(name: str, body: bytes) -> bytes | None:
    """What the general path reads: the bytes of the float64 numbers, or None if it refuses."""
    try:
        rows = open_envelope(body).instances
        if not 0 < len(rows) <= MOST_ROWS:
            return None
        slices = SCHEMAS[name].many(rows, 3)
    except (BadSlice, *REFUSALS):
        return None
    return np.array([row for rows in slices for row in rows], np.float64).tobytes()


def accepts(reader: MatrixReader, name: str, body: bytes) -> bool:
    """Whether the reader takes a body; if it does, the general path must read the same bits."""
    chunks = reader.read(body, MOST_ROWS)
    if chunks is None:
        return False
    width = len(SIGNATURES[name].features)
    assert all(chunk.flags.c_contiguous and chunk.dtype == np.float64 for chunk in chunks)
    assert all(len(chunk) and chunk.shape == (len(chunk), width) for chunk in chunks)
    assert b"".join(chunk.tobytes() for chunk in chunks) == general(name, body), body
    return True


def reads(name: str, body: bytes, chunk_bytes: int = 20) -> bool:
    """The same for a new reader."""
    return accepts(MatrixReader(SIGNATURES[name], chunk_bytes), name, body)


NUMBERS = str.split("""
0 -0 -0.0 0e5 -0e5 1E5 0.1e1 1e+2 1e-0 1e05 7.0 -8 29.999999999999996 3.4028234663852886e38 9e307
1e-400 -1e-400 5e-324 2.4703282292062327e-324 2.4703282292062328e-324 2.2250738585072011e-308
9007199254740993 9007199254740992.999999999999999999 9223372036854775807 -9223372036854775808
9223372036854775808 18446744073709551615 1.7976931348623157e308 -1.7976931348623157e308
0.333333333333333314829616256247390992939472198486328125 123456789012345678901234567890e-20
1e-99999999999999999999
""")
NUMBERS += ["0." + "0" * 400 + "1"]
LEFT = ["18446744073709551616", "-9223372036854775809", "9" * 40, "1" + "0" * 308]
"""Right, but integers that the parser does not take."""
WRONG = str.split("""
1e999 -1e999 1.7976931348623159e308 NaN Infinity - +1 01 -01 .5 1. 1e 1e+ 0x1 1_0 1e5.5 --1 1-1 1e1e1
true "1" {} [] [1] nul null nulll n l u 1null null1 -null 1enull null.5 nulle5 nullnull
""")
WRONG += ["", "1 2", "\x0b1", "9" * 400]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_read_to_the_last_bit(number: str) -> None:
    """However it is written, and beside others."""
    assert reads("open", f'{{"instances":[[{number},1.5],[1.5,{number}]]}}'.encode())


@pytest.mark.parametrize("number", LEFT)
def test_what_the_parser_does_not_take_is_left(number: str) -> None:
    """The general path reads it."""
    body = f'{{"instances":[[{number},1.5]]}}'.encode()
    assert not reads("open", body)
    assert general("open", body)


@pytest.mark.parametrize("name", ["open", "single"])
@pytest.mark.parametrize("number", WRONG)
def test_what_is_no_number_is_left(name: str, number: str) -> None:
    """The general path refuses it, first and last in a row, first and last in a batch."""
    for row in (f"[{number},1.5]", f"[1.5,{number}]") if name == "open" else (f"[{number}]",):
        good = "[2,3]" if name == "open" else "[2]"
        for rows in (row, f"{row},{good}", f"{good},{row}"):
            body = f'{{"instances":[{rows}]}}'.encode()
            assert not reads(name, body)
            assert general(name, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[[1,2],[3,4]]}',
        b' {\n "instances" :\t[ [ 1 , 2 ] ,\r\n [ 3 , 4 ]\n ]\n }\n',
        json.dumps({"instances": [[1, 2]] * 8}).encode(),
        json.dumps({"instances": [[1, 2]] * 8}, indent=4).encode(),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 2, 5, 20, 1000])
def test_space_is_nothing_unusual(body: bytes, chunk_bytes: int) -> None:
    """Wherever JSON allows it, and wherever the body is cut."""
    assert reads("open", body, chunk_bytes)


NO_BATCH = rb"""
{} [] ] null {"instances": {"instances":[ {"instances":[]} [[1,2]] {"instances":[[]]} {"instances":[[1,2]]
{"instances":[[1,2]} {"instances":[1,2]} {"instances":[[1,2]]}x {"instances":[[1,2]]}} {"instances":[[1,2]]]}
{"instances":[[1,2],]} {"instances":[,[1,2]]} {"instances":[[1,2][1,2]]} {"instances":[[1,2],,[1,2]]}
{"instances":[[1,2]],"x":1} {"x":1,"instances":[[1,2]]} {"Instances":[[1,2]]} {"instances":[[1,2],null]}
{"instances":[[1,2,3],[4]]} {"instances":[[1],[2,3,4]]} {"instances":[[1,2],[3]]} {"instances":[[[1,2]]]}
{"instances":[[1,[2]]]} {"instances":[[1,2],3,4]} {"instances":[[1,2],[]]} {"instances":[[1,]]}
{"instances":[[1,[2,3]],[4,[]]]} {"instances":[[,2]]} {"instances":[[1,2],{"f0":1}]} {"instances":"[[1,2]]"}
{"instances":[[1,2]]}{"instances":[[1,2]]} {"instances":[[1,2]]/**/} {"instances":[[1;2]]}
""".split()
NO_BATCH += [b"", b'\xef\xbb\xbf{"instances":[[1,2]]}', b'{"instances":[[1,\xff2]]}']
NO_BATCH += [b'{"instances":[[1,2\x00]]}', b'{"instances":[[1,2]]}\x00']
NO_BATCH += [b'{"instances":[' + b",".join([b"[1,2]"] * (MOST_ROWS + 1)) + b"]}"]


@pytest.mark.parametrize("body", NO_BATCH)
@pytest.mark.parametrize("chunk_bytes", [1, 20, 1000])
def test_what_is_no_batch_is_left(body: bytes, chunk_bytes: int) -> None:
    """The general path refuses it."""
    assert not reads("open", body, chunk_bytes)
    assert general("open", body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[{"f0":1,"f1":2}]}',
        b'{"instances":[[1,2],{"f1":1,"f0":2}]}',
        b'{"instances":[[1,2]],"instances":[[3,4]]}',
        rb'{"\u0069nstances":[[1,2]]}',
    ],
)
def test_what_is_unusual_is_left(body: bytes) -> None:
    """The general path reads it."""
    assert not reads("open", body)
    assert general("open", body)


def test_the_parser_alone_forgets_rows() -> None:
    """Which is why rows are looked at: here are as many numbers as two rows of four have."""
    parsed = Parser().parse(b"[[1,2,3],[4,5,6,7,8]]")
    assert isinstance(parsed, Array)
    assert np.frombuffer(parsed.as_buffer(of_type="d")).shape == (8,)
    assert not reads("narrow", b'{"instances":[[1,2,3],[4,5,6,7,8]]}')
    assert not reads("single", b'{"instances":[[],[5]]}')
    assert reads("single", b'{"instances":[[4],[5]]}')


def test_every_number_has_its_own_range() -> None:
    """Whichever row and column it is in, and wherever the body is cut."""
    edges = signature(*(Feature(name=f"f{i}", dtype="float32", minimum=-i, maximum=i) for i in range(4)))
    for chunk_bytes in (1, 40, 1000):
        reader = MatrixReader(edges, chunk_bytes)
        for place in range(4 * MOST_ROWS):
            for sign in (1, -1):
                rows = np.zeros((MOST_ROWS, 4))
                rows.flat[place] = sign * (place % 4)
                assert reader.read(json.dumps({"instances": rows.tolist()}).encode(), MOST_ROWS)
                rows.flat[place] = np.nextafter(rows.flat[place], sign * np.inf)
                assert not reader.read(json.dumps({"instances": rows.tolist()}).encode(), MOST_ROWS)


def test_the_range_of_float32() -> None:
    """Without a stated range the dtype is the range."""
    assert reads("single", b'{"instances":[[3.4028234663852886e38]]}')
    assert not reads("single", b'{"instances":[[3.4028234663852889e38]]}')


def test_null_is_missing_where_it_may_be() -> None:
    """It is NaN then; the number that stands for it meanwhile may be sent, too, if not beside a null."""
    reader = MatrixReader(SIGNATURES["missing"])
    found = reader.read(b'{"instances":[[null,1,2],[3,null,4],[null, null ,5]]}', 3)
    assert found is not None
    assert str(found[0].tolist()) == "[[nan, 1.0, 2.0], [3.0, nan, 4.0], [nan, nan, 5.0]]"
    assert not reads("missing", b'{"instances":[[1,1,null]]}')
    for number in (MISSING.decode(), "-9.0e307", "-90E306"):
        assert reads("missing", f'{{"instances":[[1,{number},2]]}}'.encode())
        body = f'{{"instances":[[null,{number},2]]}}'.encode()
        assert not reads("missing", body, 1000)
        assert general("missing", body)


@pytest.mark.parametrize("number", WRONG)
def test_a_null_makes_no_number_right(number: str) -> None:
    """Whatever stands beside one."""
    right = number == "null"
    body = f'{{"instances":[[{number},1,2],[1,null,2]]}}'.encode()
    assert reads("missing", body, 1000) is right
    assert (general("missing", body) is not None) is right


SPACES = st.sampled_from(["", "", "", " ", "\n", "\r\n\t"])
ANY_NUMBER = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.floats(-10, 31).map(repr)
    | st.decimals(-9, 30, places=2).map(str)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map("{:.20e}".format)
    | st.integers(-(2**70), 2**70).map(str)
    | st.integers(-9, 30).map(str)
    | st.sampled_from(NUMBERS + LEFT)
)
ANY_VALUE = ANY_NUMBER | ANY_NUMBER | st.just("null")


@st.composite
def bodies(draw: st.DrawFn, name: str) -> bytes:
    """Batches that are right, but for the numbers in them."""
    width = len(SIGNATURES[name].features)
    usual = st.decimals(0, 30, places=2).map(str) if draw(st.booleans()) else ANY_VALUE
    rows = draw(st.lists(st.lists(usual, min_size=width, max_size=width), max_size=MOST_ROWS + 1))
    space = draw(SPACES)
    comma = f"{space},{draw(SPACES)}"
    text = comma.join(f"[{space}{comma.join(row)}{space}]" for row in rows)
    return f'{{{space}"instances"{space}:{space}[{space}{text}{space}]{space}}}{space}'.encode()


@st.composite
def edited(draw: st.DrawFn, name: str) -> bytes:
    """Batches with something put in, taken away or put twice, anywhere."""
    body = draw(bodies(name))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(start + 6, len(body))))
        piece = draw(
            st.binary(max_size=2)
            | st.text('0123456789+-.eE[]{},: \t\n"nul', max_size=3).map(str.encode)
            | st.sampled_from([b"null", b"],[", MISSING, b"[", b"]", b",", b"", body[start:end] * 2])
        )
        body = body[:start] + piece + body[end:]
    return body


def outcomes(name: str, some: Callable[[str], st.SearchStrategy[bytes]]) -> Counter[tuple[bool, bool]]:
    """How often (the reader, the general path) took a body; what the reader takes, both must read alike."""
    counted: Counter[tuple[bool, bool]] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(body=some(name), chunk_bytes=st.sampled_from([1, 7, 30, 200]))
    def compare(body: bytes, chunk_bytes: int) -> None:
        counted[reads(name, body, chunk_bytes), general(name, body) is not None] += 1

    compare()
    return counted


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("some", [bodies, edited])
def test_both_paths_read_the_same(name: str, some: Callable[[str], st.SearchStrategy[bytes]]) -> None:
    """Of batches with all sorts of numbers, and of broken ones; some are taken, and some refused, by both."""
    counted = outcomes(name, some)
    assert counted[True, False] == 0
    assert counted[True, True] > 10
    assert counted[False, False] > 10


@given(data=st.data(), name=st.sampled_from(list(SIGNATURES)), chunk_bytes=st.integers(1, 300))
def test_what_is_usual_is_not_left(data: st.DataObject, name: str, chunk_bytes: int) -> None:
    """Numbers within the range, as clients write them: the reader takes them."""
    width = len(SIGNATURES[name].features)
    row = st.lists(st.floats(0, 30), min_size=width, max_size=width)
    rows = data.draw(st.lists(row, min_size=1, max_size=MOST_ROWS))
    assert reads(name, json.dumps({"instances": rows}).encode(), chunk_bytes)


def test_the_comparison_can_fail() -> None:
    """A reader that forgets the range, and one that reads other numbers, are found out."""
    body = b'{"instances":[[1,2,3,31]]}'
    with pytest.raises(AssertionError):
        accepts(MatrixReader(signature(*named(4))), "narrow", body)

    class Rounding(MatrixReader):
        def read(self, body: bytes, max_rows: int) -> list[Matrix] | None:
            found = super().read(body, max_rows)
            return found and [chunk.astype(np.float32).astype(np.float64) for chunk in found]

    assert reads("narrow", b'{"instances":[[1,2,3,0.1]]}')
    with pytest.raises(AssertionError):
        accepts(Rounding(SIGNATURES["narrow"]), "narrow", b'{"instances":[[1,2,3,0.1]]}')


def test_a_large_batch_comes_in_chunks() -> None:
    """In order, none missing; each holds whole rows."""
    rows = np.random.default_rng(3).uniform(-9, 30, (5000, 4))
    body = json.dumps({"instances": rows.tolist()}).encode()
    found = MatrixReader(SIGNATURES["narrow"]).read(body, 5000)
    assert found is not None
    assert len(found) > 5
    assert np.concatenate(found).tobytes() == rows.tobytes()
    assert MatrixReader(SIGNATURES["narrow"]).read(body, 4999) is None


def test_a_long_row() -> None:
    """One that is longer than a chunk is read; one that would take a parser's memory for good is left."""
    reader = MatrixReader(signature(*named(6000)))
    rows = np.random.default_rng(3).uniform(0, 1, (3, 6000))
    found = reader.read(json.dumps({"instances": rows.tolist()}).encode(), 3)
    assert found is not None
    assert [chunk.shape for chunk in found] == [(1, 6000)] * 3
    assert np.concatenate(found).tobytes() == rows.tobytes()
    assert not reads("open", b'{"instances":[[1,' + b" " * MOST_CHUNK_BYTES + b"2]]}")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_refusal_leaves_nothing_behind(wrong: str) -> None:
    """The parser that refused, while it knew half of a body, reads the next one."""
    assert not reads("open", f'{{"instances":[[1,2],[{wrong},3]]}}'.encode(), 1000)
    assert reads("open", b'{"instances":[[1,2],[3,4]]}', 1000)


def test_an_array_is_the_callers() -> None:
    """The next batch does not change it."""
    reader = MatrixReader(SIGNATURES["open"])
    first = reader.read(b'{"instances":[[1,2]]}', 1)
    assert reader.read(b'{"instances":[[3,4]]}', 1)
    assert first is not None
    assert first[0].tolist() == [[1.0, 2.0]]


@contextmanager
def hasty() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def test_several_threads_at_once() -> None:
    """Each gets its own numbers."""
    reader = MatrixReader(SIGNATURES["open"], 50)

    def read(number: int) -> set[float]:
        body = json.dumps({"instances": [[number, number]] * 50}).encode()
        chunks = reader.read(body, 50)
        assert chunks is not None
        return set(np.concatenate(chunks).flat)

    with hasty(), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(200))) == [{float(number)} for number in range(200)]


def test_only_floats_have_a_reader() -> None:
    """Text is no number; an integer has no point, and float64 does not hold every one."""
    assert matrix_reader(signature(*named(2), Feature(name="x", dtype="float32")))
    for dtype in ("int64", "string"):
        other = Feature(name="x", dtype=dtype)
        assert matrix_reader(signature(other)) is None
        assert matrix_reader(signature(*named(2), other)) is None
