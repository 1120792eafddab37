"""Ranges are told in a word, and refused in one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convert.errors import SourceError
from convert.sources.ranges import Range, narrowed, parse
from registry.manifest import Card


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rain_mm=0:2000", ("rain_mm", (0.0, 2000.0))),
        ("rain_mm=0:", ("rain_mm", (0.0, None))),
        ("rain_mm=:-1e3", ("rain_mm", (None, -1000.0))),
        ("a=b=1:2", ("a=b", (1.0, 2.0))),
    ],
)
def test_how_a_range_is_told(text: str, found: tuple[str, Range]) -> None:
    """Either end may be left out; a name may hold an equals sign."""
    assert parse(text) == found


@pytest.mark.parametrize("text", ["rain_mm", "rain_mm=", "rain_mm=:", "=0:1", "rain_mm=0", "rain_mm=a:b"])
def test_what_is_no_range(text: str) -> None:
    """The text says what was expected."""
    with pytest.raises(ValueError, match=r"expected FEATURE=LOW:HIGH, .* came"):
        parse(text)


def test_a_card_with_ranges(make_card: Callable[..., Card]) -> None:
    """The named features are bounded, the others are as they were."""
    card = narrowed(make_card(("a", "b"), 2, "float64"), {"b": (0.0, None)})
    first, second = card.signature.features
    assert (first.minimum, first.maximum, second.minimum, second.maximum) == (None, None, 0.0, None)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"c": (0.0, 1.0)}, "no feature of numbers is called 'c'; there are: a, b"),
        ({"a": (2.0, 1.0)}, "feature 'a': minimum 2.0 is above maximum 1.0"),
        ({"a": (float("nan"), None)}, "feature 'a': a bound is a finite number"),
    ],
)
def test_ranges_that_cannot_be(make_card: Callable[..., Card], ranges: dict[str, Range], words: str) -> None:
    """One clear line."""
    with pytest.raises(SourceError, match=words):
        narrowed(make_card(("a", "b"), 2, "float64"), ranges)
