"""The range of numbers that a feature may have, where neither trainer nor data can tell it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from convert.errors import SourceError
from registry.manifest import Card, Feature

Range = tuple[float | None, float | None]
"""Smallest and largest number that is answered; None: no bound."""


def parse(text: str) -> tuple[str, Range]:
    """``rain_mm=0:2000``, ``rain_mm=0:`` or ``rain_mm=:2000``.

    Raises:
        ValueError: it is none of these.
    """
    name, equals, bounds = text.rpartition("=")
    low, colon, high = bounds.partition(":")
    try:
        if equals and colon and name and (low or high):
            return name, (float(low) if low else None, float(high) if high else None)
    except ValueError:
        pass
    raise ValueError(f"expected FEATURE=LOW:HIGH, one of the two may be left out; came {text!r}")


def narrowed(card: Card, ranges: Mapping[str, Range]) -> Card:
    """The card with these ranges.

    Raises:
        SourceError: a feature is none of the card's, or is one of strings, or a range holds no number.
    """
    known = {feature.name: feature for feature in card.signature.features}
    for name in ranges:
        if name not in known or known[name].dtype == "string":
            raise SourceError(f"no feature of numbers is called {name!r}; there are: {', '.join(known)}")
    try:
        features = tuple(_narrowed(feature, ranges.get(feature.name)) for feature in known.values())
        signature = msgspec.structs.replace(card.signature, features=features)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return msgspec.structs.replace(card, signature=signature)


def _narrowed(feature: Feature, limits: Range | None) -> Feature:
    if limits is None:
        return feature
    return msgspec.structs.replace(feature, minimum=limits[0], maximum=limits[1])
