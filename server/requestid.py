"""``X-Request-Id``: the caller's own, or a new one; every answer carries it, and the log of what failed."""

from __future__ import annotations

import itertools
import re
import secrets

HEADER = "X-Request-Id"
_SOUND = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}").fullmatch
_PREFIX = secrets.token_hex(6)  # of this process: two workers never make the same
_numbers = itertools.count(1)


def request_id(given: str | None) -> str:
    """The caller's, where it is 1 to 128 letters, digits or ``._~:/+=@-``; else a new one."""
    if given is not None and _SOUND(given):
        return given
    return f"{_PREFIX}-{next(_numbers):x}"
