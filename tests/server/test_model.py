"""Loading proves a model on its golden rows."""

from __future__ import annotations

import math

import msgspec
import pytest

from registry.errors import BrokenEntry
from registry.manifest import Bound, Golden
from registry.store import Entry
from server.model import Model
from tests.server.homemade import classifier, regression


def altered(entry: Entry, golden: Golden) -> Entry:
    """The entry with other golden rows."""
    return msgspec.structs.replace(entry, golden=golden)


def test_a_sound_entry_loads(entry: Entry) -> None:
    """And knows what it is."""
    assert Model(entry).manifest.reference == "random_forest@1"


def test_a_label_that_differs_refuses_the_model(entry: Entry) -> None:
    """One golden row with another label is enough; the refusal says which and of what kind."""
    golden = entry.golden
    labels = ("virginica" if golden.labels[0] != "virginica" else "setosa", *golden.labels[1:])
    with pytest.raises(BrokenEntry, match=r"random_forest@1: 1 of \d+ golden rows fail, first row 0"):
        Model(altered(entry, msgspec.structs.replace(golden, labels=labels)))


@pytest.mark.parametrize(
    ("change", "words"), [(1e-9, "off by 1e-09, allowed: the same bits"), (math.nan, "off by nan")]
)
def test_a_probability_beyond_the_bound_refuses_the_model(entry: Entry, change: float, words: str) -> None:
    """The forest's bound is zero: any difference counts, and so does NaN."""
    first, *others = entry.golden.probabilities
    probabilities = ((first[0] + change, *first[1:]), *others)
    with pytest.raises(BrokenEntry, match=words):
        Model(altered(entry, msgspec.structs.replace(entry.golden, probabilities=probabilities)))


@pytest.mark.parametrize(
    ("change", "words"),
    [(0.25, "off by 0.25, allowed: within 4 ulp or 0.125"), (math.inf, "off by inf")],
)
def test_a_value_beyond_the_bound_refuses_the_model(change: float, words: str) -> None:
    """Of a regression, with the kind of the row; within the bound it may differ."""
    entry = regression("amount", Bound(ulp=4, absolute=0.125))
    first, *others = entry.golden.values
    Model(altered(entry, msgspec.structs.replace(entry.golden, values=(first + 0.125, *others))))
    golden = msgspec.structs.replace(entry.golden, values=(first + change, *others))
    with pytest.raises(BrokenEntry, match=rf"1 of 3 .* first row 0 \(data\): the value .*{words}"):
        Model(altered(entry, golden))


def test_a_label_of_a_model_without_probabilities_is_held_too() -> None:
    """There is nothing else to hold."""
    entry = classifier("unsure", (0, 1), probabilities=False)
    Model(entry)
    with pytest.raises(BrokenEntry, match=r"1 of 3 .* first row 1 \(data\): the label .* \(0\)"):
        Model(altered(entry, msgspec.structs.replace(entry.golden, labels=(1, 1, 1))))


def test_a_row_that_is_answered_otherwise_among_others_refuses_the_model() -> None:
    """Who asks for one row gets an answer inside the bound, as who asks in a batch does."""
    Model(regression("amount", Bound(absolute=4.0), value="counted"))
    entry = regression("amount", Bound(absolute=1.0), value="counted")
    among_three = tuple(value + 3 for value in entry.golden.values)
    with pytest.raises(BrokenEntry, match=r"amount@1: 3 of 3 .*off by 2, .* asked alone\)"):
        Model(altered(entry, msgspec.structs.replace(entry.golden, values=among_three)))


@pytest.mark.parametrize(
    ("value", "words"),
    [("largest", "answers 3 golden rows with arrays of the shapes"), ("stuck", "fails on golden rows")],
)
def test_a_model_that_cannot_take_several_rows(value: str, words: str) -> None:
    """One answer for all rows is not taken for an answer to each."""
    with pytest.raises(BrokenEntry, match=words):
        Model(regression("amount", Bound(absolute=1000.0), value))


def test_bytes_that_are_no_model(entry: Entry) -> None:
    """What onnxruntime refuses is refused in our words, with the model's name."""
    with pytest.raises(BrokenEntry, match=r"random_forest@1: onnxruntime \S+ refuses the model"):
        Model(msgspec.structs.replace(entry, model=b"no model"))
