"""The label on a sealed model: what it refuses, and that writing and reading it loses nothing."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidName
from registry.manifest import (
    Card,
    Dtype,
    Feature,
    Golden,
    Manifest,
    Measured,
    Metric,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
    check_name,
    encode,
    parse_reference,
)

NOT_NAMES = [
    "",
    "..",
    ".",
    ".x",
    "a/b",
    "/etc",
    "a\\b",
    "n" * 129,
    "n" * 200,
    "naïve",
    "٣",
    "a\0b",
    "a\n",
    "a b",
    "*",
]

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**53)
texts = st.text(max_size=12)
names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", fullmatch=True)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    """Any column that a signature takes."""
    low, high = sorted((draw(numbers), draw(numbers)))
    dtype: Dtype = draw(st.sampled_from(get_args(Dtype)))
    return Feature(
        name=name,
        dtype=dtype,
        unit=draw(texts),
        description=draw(texts),
        minimum=draw(st.none() | st.just(low)),
        maximum=draw(st.none() | st.just(high)),
        categories=draw(st.none() | st.lists(texts).map(tuple)),
        may_be_missing=dtype.startswith("float") and draw(st.booleans()),
        example=draw(st.none() | numbers | texts),
    )


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    """Any signature."""
    columns = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    classes = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    return Signature(
        features=tuple(draw(features(name)) for name in columns),
        classes=tuple(classes),
    )


cards = st.builds(
    Card,
    description=texts,
    task=st.just("classification"),
    signature=signatures(),
    training_data=st.builds(TrainingData, name=texts, rows=counts, sha256=texts),
    metrics=st.lists(st.builds(Metric, name=texts, value=numbers, method=texts), max_size=3).map(tuple),
    budget_ms=numbers,
)
parities = st.builds(
    Parity,
    oracle=texts,
    probability_bound=numbers,
    kinds=st.lists(
        st.builds(ParityRows, kind=texts, rows=counts, label_mismatches=counts, max_abs_error=numbers),
        max_size=3,
    ).map(tuple),
)
manifests = st.builds(
    Manifest,
    format=st.just(1),
    name=names,
    version=counts,
    sha256=texts,
    size_bytes=counts,
    opsets=st.dictionaries(texts, counts, max_size=3),
    versions=st.dictionaries(texts, texts, max_size=3),
    card=cards,
    parity=parities,
    measured=st.builds(
        Measured, latency_p50_us=numbers, latency_p99_us=numbers, memory_bytes=counts, machine=texts
    ),
)


@given(manifests)
def test_a_manifest_survives_writing_and_reading(manifest: Manifest) -> None:
    """What is read back equals what was written, to the last bit of every number."""
    assert msgspec.json.decode(encode(manifest), type=Manifest) == manifest


@given(manifests)
def test_equal_content_gives_equal_bytes(manifest: Manifest) -> None:
    """The order in which a table was filled does not show in the file."""
    turned = msgspec.structs.replace(manifest, opsets=dict(reversed(manifest.opsets.items())))
    assert encode(turned) == encode(manifest)


@given(names, st.integers(1, 999_999_999))
def test_a_reference_splits_into_its_parts(name: str, version: int) -> None:
    """``name`` and ``name@version`` are read as they were meant."""
    assert parse_reference(f"{name}@{version}") == (name, version)
    assert parse_reference(name) == (name, None)


@pytest.mark.parametrize("text", NOT_NAMES)
def test_what_cannot_be_a_folder_is_no_name(text: str) -> None:
    """A name never leaves the registry's folder, hides in it, or depends on the file system's encoding."""
    with pytest.raises(InvalidName, match="is not a model name"):
        check_name(text)
    with pytest.raises(InvalidName, match="is not a model name"):
        parse_reference(text)


@pytest.mark.parametrize("version", ["", "0", "x", "-1", "01", "1.0", " 1", "1\n", "٣", "1@1", "1" * 10])
def test_what_is_not_a_positive_number_is_no_version(version: str) -> None:
    """Only ``1``, ``2`` and so on stand after the ``@``."""
    with pytest.raises(InvalidName, match="expected a positive version number"):
        parse_reference(f"a@{version}")


def test_a_refusal_shows_at_most_a_line_of_what_came() -> None:
    """A name of a megabyte is not repeated to whoever sent it."""
    with pytest.raises(InvalidName) as refusal:
        parse_reference("/" * 1_000_000)
    assert len(str(refusal.value)) < 250


WIDTH = Feature(name="width", dtype="float32")


@pytest.mark.parametrize(
    ("features", "classes", "reason"),
    [
        ((), ("a",), "one or more features"),
        ((WIDTH, WIDTH), ("a",), "distinct names"),
        ((WIDTH,), (), "distinct class labels"),
        ((WIDTH,), ("a", "a"), "distinct class labels"),
        ((Feature(name="x", dtype="float32", minimum=2, maximum=1),), ("a",), "minimum 2 is above maximum 1"),
        ((Feature(name="x", dtype="int64", maximum=float("inf")),), ("a",), "a bound is a finite number"),
        ((Feature(name="x", dtype="int64", may_be_missing=True),), ("a",), "only float features"),
        ((Feature(name="x", dtype="string", may_be_missing=True),), ("a",), "only float features"),
    ],
)
def test_a_signature_does_not_contradict_itself(
    features: tuple[Feature, ...], classes: tuple[str, ...], reason: str
) -> None:
    """A signature that no request could meet, or that answers could not be told apart by, is refused."""
    with pytest.raises(ValueError, match=reason):
        Signature(features=features, classes=classes)


def test_the_interface_is_what_a_client_can_notice() -> None:
    """Another unit is another interface; other words or a wider float are not."""
    plain = Signature(features=(WIDTH,), classes=("a",))
    worded = Signature(
        features=(msgspec.structs.replace(WIDTH, dtype="float64", description="wide"),), classes=("a",)
    )
    inches = Signature(features=(msgspec.structs.replace(WIDTH, unit="inch"),), classes=("a",))
    assert plain.interface == worded.interface != inches.interface


@pytest.mark.parametrize("absent", ["kinds", "inputs", "labels", "probabilities"])
def test_golden_rows_are_complete(absent: str) -> None:
    """Every golden row has its input and all of its answers."""
    whole: dict[str, tuple[object, ...]] = {
        "kinds": ("ordinary",),
        "inputs": ((1.0,),),
        "labels": ("a",),
        "probabilities": ((1.0,),),
    }
    with pytest.raises(msgspec.ValidationError, match="same number of kinds"):
        msgspec.convert({**whole, absent: ()}, Golden)
    with pytest.raises(msgspec.ValidationError, match="at least one"):
        msgspec.convert(dict.fromkeys(whole, ()), Golden)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inputs": ((1.0, 2.0),)}, "rows of 1 features"),
        ({"probabilities": ((1.0,),)}, "2 probabilities"),
        ({"labels": ("c",)}, "'c' is not a class"),
    ],
)
def test_golden_rows_fit_the_signature(change: dict[str, object], reason: str) -> None:
    """Rows and answers of another signature are found before a model is run on them."""
    golden = Golden(kinds=("o",), inputs=((1.0,),), labels=("a",), probabilities=((1.0, 0.0),))
    signature = Signature(features=(WIDTH,), classes=("a", "b"))
    golden.check_fits(signature)
    with pytest.raises(ValueError, match=reason):
        msgspec.structs.replace(golden, **change).check_fits(signature)


def test_a_manifest_takes_no_unknown_field() -> None:
    """A misspelt or newer field is refused, not ignored."""
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.json.decode(b'{"name":"x","colour":1}', type=Manifest)
