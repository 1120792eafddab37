"""A mistake in a request of the protocol."""

from __future__ import annotations

from server.errors import Fault, InvalidValues


def refuse(words: str) -> InvalidValues:
    """To be raised: what was expected and what came."""
    return InvalidValues([Fault("", words)])
