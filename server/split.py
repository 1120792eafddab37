"""Deals the requests of ``/predict`` out to the variants of a split."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import randrange
from typing import Any, NamedTuple

from server.errors import Fault, InvalidValues
from server.traffic import SLOTS, Traffic

MAX_KEY = 1024
"""Characters of a sticky header: a longer one would cost more than the prediction."""
STEP = 6_181
"""Of the turns of those without a key. It shares no factor with ``SLOTS``: every slot has its turn once in so
many requests, and it is near the golden section, so that each variant's turns are spread out evenly, also
among every second or third request (Weyl's sequence)."""

Variable = Callable[[str], str | None]
"""Looks a request's header up by the name that CGI gives it, such as ``HTTP_X_USER`` (RFC 3875, 4.1.18)."""


class Turns:
    """Whose turn it is among requests without a key. One for each worker: a switch does not begin anew."""

    def __init__(self) -> None:
        """Begin somewhere, so that the workers do not all give their first requests to the same variant."""
        self.next = itertools.count(randrange(SLOTS)).__next__
        """One step for the interpreter: no two threads get the same."""


class Dealt(NamedTuple):
    """A choice."""

    at: int
    """Of the variant, in ``Traffic.split``."""
    keyless: bool
    """Whether a sticky header is set and the request has none."""


class Split:
    """Chooses a variant for each request. Safe to call from several threads."""

    def __init__(self, traffic: Traffic, turns: Turns) -> None:
        """``traffic`` has a split."""
        self._bounds = list(itertools.accumulate(variant.slots for variant in traffic.split))[:-1]
        self._header = traffic.sticky_header
        self._variable = cgi_name(traffic.sticky_header) if traffic.sticky_header else None
        self._salt = _salt([variant.name for variant in traffic.split])
        self._turn = turns.next

    def choose(self, variable: Variable) -> Dealt:
        """By the request's key, if it has one; else by turns.

        Raises:
            InvalidValues: the key is too long.
        """
        key = variable(self._variable) if self._variable else None
        if not key:
            return Dealt(self._at(self._turn() * STEP % SLOTS), self._variable is not None)
        if len(key) > MAX_KEY:
            words = f"expected at most {MAX_KEY} characters, came {len(key)}"
            raise InvalidValues([Fault(str(self._header), words)])
        return Dealt(self._at(slot(key, self._salt)), False)

    def _at(self, point: int) -> int:
        return bisect_right(self._bounds, point)


def slot(key: str, salt: bytes) -> int:
    """Where a key is: the same on every worker, in every process, for ever. 2 ** 64 makes all slots alike."""
    digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8, salt=salt).digest()
    return int.from_bytes(digest, "big") % SLOTS


def _salt(names: Sequence[str]) -> bytes:
    """Of the variants' names, without versions: another experiment meets other keys first."""
    bare: Any = sorted({name.partition("@")[0] for name in names})
    return blake2b(",".join(bare).encode(), digest_size=blake2b.SALT_SIZE).digest()


def cgi_name(header: str) -> str:
    """``X-User`` to ``HTTP_X_USER``; two headers of a body have no prefix."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
