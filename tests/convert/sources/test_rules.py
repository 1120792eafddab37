"""A rule list answers as it reads: as text, as Python and as a graph."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.errors import SourceError
from convert.graphs.graph import build
from convert.oracle import Oracle
from convert.sources.rules import Answer, Rule, RuleList, parse, save
from registry.manifest import Feature, Signature
from server.session import Session

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 2.45, 1e-310])


@st.composite
def rule_lists(draw: st.DrawFn) -> RuleList:
    """Up to five rules over up to three features and classes."""
    features = [f"f{number}" for number in range(draw(st.integers(1, 3)))]
    classes = [f"c{number}" for number in range(draw(st.integers(1, 3)))]
    counts = st.lists(st.integers(0, 60), min_size=len(classes), max_size=len(classes)).filter(any)

    def answer() -> tuple[str, tuple[int, ...]]:
        drawn = draw(counts)
        return classes[drawn.index(max(drawn))], tuple(drawn)

    rules = []
    for _ in range(draw(st.integers(0, 5))):
        best, drawn = answer()
        feature, below = draw(st.sampled_from(features)), draw(NUMBERS)
        rules.append(Rule(feature=feature, below=below, answer=best, counts=drawn))
    best, drawn = answer()
    otherwise = Answer(answer=best, counts=drawn)
    return RuleList(features=tuple(features), classes=tuple(classes), rules=tuple(rules), otherwise=otherwise)


def open_session(rules: RuleList) -> Session:
    """The session that would serve the rules."""
    features = tuple(Feature(name=name, dtype="float64", may_be_missing=True) for name in rules.features)
    signature = Signature(features=features, classes=rules.classes)
    return Session(build(Oracle(rules), "rules", signature), signature)


def test_one_ulp_decides(rules: RuleList) -> None:
    """A petal one float64 ulp below 2.45 cm is setosa, one of 2.45 cm is not, in Python and in the graph."""
    rows = np.array([[np.nextafter(2.45, 0), 0.2], [2.45, 0.2], [2.45, 1.75], [2.45, np.nextafter(1.75, 0)]])
    session = open_session(rules)
    assert rules.predict(rows).tolist() == [0, 1, 2, 1]
    assert session.labels(session.feed(rows)).tolist() == [0, 1, 2, 1]


def test_missing_is_below_nothing(rules: RuleList) -> None:
    """A missing value makes no rule hold."""
    rows = np.array([[np.nan, 0.2], [np.nan, np.nan], [1.0, np.nan]])
    session = open_session(rules)
    assert rules.predict(rows).tolist() == [1, 2, 0]
    assert session.labels(session.feed(rows)).tolist() == [1, 2, 0]


@settings(max_examples=60)
@given(rules=rule_lists(), data=st.data())
def test_graph_equals_python(rules: RuleList, data: st.DataObject) -> None:
    """Any rule list's graph gives Python's labels and the same bits of every frequency, on its bounds too."""
    bounds = [rule.below for rule in rules.rules] or [0.0]
    near = [float(np.nextafter(bound, way)) for bound in bounds for way in (-np.inf, np.inf)]
    cell = NUMBERS | st.sampled_from(bounds + near) | st.just(float("nan"))
    row = st.lists(cell, min_size=len(rules.features), max_size=len(rules.features))
    rows = np.array(data.draw(st.lists(row, min_size=1, max_size=20)))
    session = open_session(rules)
    labels, probabilities = session.answers(session.feed(rows))
    assert labels.tolist() == rules.predict(rows).tolist()
    assert probabilities.tolist() == rules.predict_proba(rows).tolist()


def test_saved_rules_come_back(rules: RuleList, tmp_path: Path) -> None:
    """Saving and parsing gives the same rules, and the same bytes again."""
    save(rules, tmp_path / "a.json")
    again = parse((tmp_path / "a.json").read_bytes(), "a.json")
    save(again, tmp_path / "b.json")
    assert again == rules
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"features": ("petal_length",)}, "unknown feature 'petal_width'; there are: petal_length"),
        ({"otherwise": Answer(answer="rose", counts=(0, 1, 45))}, "unknown class 'rose'"),
        ({"otherwise": Answer(answer="setosa", counts=(1, 0))}, "expected 3 counts"),
        ({"otherwise": Answer(answer="setosa", counts=(0, 0, 0))}, "not all zero"),
        ({"otherwise": Answer(answer="setosa", counts=(0, 1, 45))}, "'setosa' is not the .* most frequent"),
    ],
)
def test_contradictions_are_refused(rules: RuleList, change: dict[str, object], reason: str) -> None:
    """A list that contradicts itself cannot be made, and the text says what contradicts."""
    fields = {name: getattr(rules, name) for name in rules.__struct_fields__}
    with pytest.raises(ValueError, match=reason):
        RuleList(**{**fields, **change})


def test_a_wrong_file_is_named(rules: RuleList) -> None:
    """A file that is no rule list is refused with its name and the place in it."""
    broken = msgspec.json.encode(rules).replace(b"2.45", b'"long"')
    with pytest.raises(SourceError, match=r"x\.json is not a rule list: .*rules\[0\]\.below"):
        parse(broken, "x.json")
