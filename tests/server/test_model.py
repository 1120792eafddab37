"""Loading proves a model on its golden rows."""

from __future__ import annotations

import math

import msgspec
import pytest

from registry.errors import BrokenEntry
from registry.manifest import Golden
from registry.store import Entry
from server.model import Model


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


@pytest.mark.parametrize(("change", "words"), [(1e-9, "off by 1e-09, bound 0"), (math.nan, "off by NaN")])
def test_a_probability_beyond_the_bound_refuses_the_model(entry: Entry, change: float, words: str) -> None:
    """The forest's bound is zero: any difference counts, and so does NaN."""
    first, *others = entry.golden.probabilities
    probabilities = ((first[0] + change, *first[1:]), *others)
    with pytest.raises(BrokenEntry, match=words):
        Model(altered(entry, msgspec.structs.replace(entry.golden, probabilities=probabilities)))


def test_bytes_that_are_no_model(entry: Entry) -> None:
    """What onnxruntime refuses is refused in our words, with the model's name."""
    with pytest.raises(BrokenEntry, match=r"random_forest@1: onnxruntime \S+ refuses the model"):
        Model(msgspec.structs.replace(entry, model=b"no model"))
