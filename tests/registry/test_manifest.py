"""The label on a sealed model: what it refuses, and that writing and reading it loses nothing."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import combinations
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidName
from registry.manifest import (
    Bound,
    Card,
    Dtype,
    Feature,
    Golden,
    Histogram,
    Label,
    Manifest,
    Measured,
    Metric,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
    WorstRow,
    check_name,
    encode,
    label_text,
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
    kind: st.SearchStrategy[Label] = draw(st.sampled_from([texts, st.booleans(), st.integers(), numbers]))
    return Signature(
        features=tuple(draw(features(name)) for name in columns),
        classes=tuple(draw(st.lists(kind, max_size=4, unique=True))),
        probabilities=draw(st.booleans()),
    )


histograms = st.builds(
    Histogram,
    feature=texts,
    missing=counts,
    edges=st.lists(numbers, max_size=3).map(tuple),
    values=st.lists(texts, max_size=3).map(tuple),
    counts=st.lists(counts, max_size=3).map(tuple),
)
cards = signatures().flatmap(
    lambda signature: st.builds(
        Card,
        description=texts,
        task=st.just(signature.task),
        signature=st.just(signature),
        training_data=st.builds(
            TrainingData,
            name=texts,
            rows=counts,
            sha256=texts,
            histograms=st.lists(histograms, max_size=2).map(tuple),
        ),
        metrics=st.lists(st.builds(Metric, name=texts, value=numbers, method=texts), max_size=3).map(tuple),
        budget_ms=numbers,
    )
)
labels: st.SearchStrategy[Label] = texts | st.booleans() | st.integers() | numbers
worst_rows = st.builds(
    WorstRow,
    inputs=st.lists(st.none() | st.integers() | numbers | texts, max_size=3).map(tuple),
    expected=st.lists(labels, max_size=3).map(tuple),
    served=st.lists(labels, max_size=3).map(tuple),
)
parities = st.builds(
    Parity,
    oracle=texts,
    bound=st.builds(Bound, ulp=counts, absolute=numbers, margin_ulp=counts),
    kinds=st.lists(
        st.builds(
            ParityRows,
            kind=texts,
            rows=counts,
            label_mismatches=counts,
            max_ulp=numbers,
            max_abs_error=numbers,
            within_margin=counts,
            worst=st.none() | worst_rows,
        ),
        max_size=3,
    ).map(tuple),
    rows_alone=counts,
    inexact=texts,
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
    read = msgspec.json.decode(encode(manifest), type=Manifest)
    assert read == manifest
    assert read.signature.interface == manifest.signature.interface  # which tells 1, 1.0 and True apart


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
        ((WIDTH,), (0, "a"), "labels of one type"),
        ((WIDTH,), (0, True), "labels of one type"),
        ((WIDTH,), (0, 1.5), "labels of one type"),
        ((WIDTH,), ("a", "a"), "distinct class labels"),
        ((Feature(name="x", dtype="float32", minimum=2, maximum=1),), ("a",), "minimum 2 is above maximum 1"),
        ((Feature(name="x", dtype="int64", maximum=float("inf")),), ("a",), "a bound is a finite number"),
        ((Feature(name="x", dtype="int64", may_be_missing=True),), ("a",), "only float features"),
        ((Feature(name="x", dtype="string", may_be_missing=True),), ("a",), "only float features"),
    ],
)
def test_a_signature_does_not_contradict_itself(
    features: tuple[Feature, ...], classes: tuple[Label, ...], reason: str
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


def test_answers_of_another_type_are_another_interface() -> None:
    """To Python 1, 1.0 and True are equal; a client sees three things. So it does a missing probability."""
    answers: list[tuple[Label, ...]] = [(0, 1), (0.0, 1.0), (False, True), ("0", "1"), ()]
    interfaces = [Signature(features=(WIDTH,), classes=classes).interface for classes in answers]
    interfaces.append(Signature(features=(WIDTH,), classes=(0, 1), probabilities=False).interface)
    assert all(one != other for one, other in combinations(interfaces, 2))


@pytest.mark.parametrize(
    ("task", "classes"), [("regression", ("a",)), ("classification", ()), ("clustering", ("a",))]
)
def test_a_card_states_the_task_of_its_signature(task: str, classes: tuple[str, ...]) -> None:
    """A regression has no classes, and what has classes is none."""
    card = Card(
        description="",
        task="classification",
        signature=Signature(features=(WIDTH,), classes=("a",)),
        training_data=TrainingData(name="", rows=0, sha256=""),
        metrics=(),
    )
    signature = {"features": [msgspec.to_builtins(WIDTH)], "classes": classes}
    changed = {**msgspec.to_builtins(card), "task": task, "signature": signature}
    with pytest.raises(msgspec.ValidationError, match=r"the task is|Invalid enum value 'clustering'"):
        msgspec.convert(changed, Card)


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (Bound(), "the same bits"),
        (Bound(ulp=4), "within 4 ulp"),
        (Bound(absolute=1e-6), "within 1e-06"),
        (Bound(ulp=4, absolute=2.3e-16), "within 4 ulp or 2.3e-16"),
        (Bound(margin_ulp=16), "the same bits, or the trained model's own answer to inputs within 16 ulp"),
    ],
)
def test_a_bound_in_words(bound: Bound, words: str) -> None:
    """For people who look at a model or a refusal."""
    assert bound.words == words


@pytest.mark.parametrize(
    ("label", "word"), [("a", "a"), (1, "1"), (1.0, "1.0"), (True, "true"), (1e16, "1e16")]
)
def test_a_label_as_a_word(label: Label, word: str) -> None:
    """As JSON would write it, without quotes."""
    assert label_text(label) == word


WHOLE: dict[str, tuple[object, ...]] = {
    "kinds": ("ordinary",),
    "inputs": ((1.0,),),
    "labels": ("a",),
    "probabilities": ((1.0, 0.0),),
}


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": ()},
        {"inputs": ()},
        {"labels": ("a", "a")},
        {"probabilities": ((1.0, 0.0),) * 2},
        {"values": (1.0, 2.0)},
        {"labels": (), "probabilities": ()},
        dict.fromkeys(WHOLE, ()),
    ],
)
def test_golden_rows_are_complete(change: dict[str, tuple[object, ...]]) -> None:
    """Every golden row has its input and an answer, and no column is longer than another."""
    msgspec.convert(WHOLE, Golden)
    with pytest.raises(msgspec.ValidationError, match=r"at least one row, and as many kinds and answers"):
        msgspec.convert({**WHOLE, **change}, Golden)


LIKELY = Signature(features=(WIDTH,), classes=("a", "b"))
LABELLED = Signature(features=(WIDTH,), classes=("a", "b"), probabilities=False)
COUNTED = Signature(features=(WIDTH,), classes=(0, 1))
AMOUNT = Signature(features=(WIDTH,))


@pytest.mark.parametrize(
    ("signature", "change", "reason"),
    [
        (LIKELY, {}, None),
        (LIKELY, {"inputs": ((1.0, 2.0),)}, "rows of 1 features"),
        (LIKELY, {"probabilities": ((1.0,),)}, "2 probabilities"),
        (LIKELY, {"labels": ("c",)}, "'c' is not a class"),
        (LIKELY, {"labels": ()}, "kinds of answer"),
        (LIKELY, {"probabilities": ()}, "kinds of answer"),
        (LIKELY, {"values": (1.0,)}, "kinds of answer"),
        (LABELLED, {"probabilities": ()}, None),
        (LABELLED, {}, "kinds of answer"),
        (COUNTED, {"labels": (1,)}, None),
        (COUNTED, {"labels": (True,)}, "True is not a class"),
        (COUNTED, {"labels": (1.0,)}, r"1\.0 is not a class"),
        (AMOUNT, {"labels": (), "probabilities": (), "values": (1.0,)}, None),
        (AMOUNT, {"probabilities": (), "values": (1.0,)}, "kinds of answer"),
        (AMOUNT, {}, "kinds of answer"),
    ],
)
def test_golden_rows_fit_the_signature(
    signature: Signature, change: dict[str, object], reason: str | None
) -> None:
    """Rows and answers of another signature are found before a model is run on them."""
    golden = msgspec.convert({**WHOLE, **change}, Golden)
    with nullcontext() if reason is None else pytest.raises(ValueError, match=reason):
        golden.check_fits(signature)


def test_a_manifest_takes_no_unknown_field() -> None:
    """A misspelt or newer field is refused, not ignored."""
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.json.decode(b'{"name":"x","colour":1}', type=Manifest)
