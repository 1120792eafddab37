"""Errors as the protocol has them: ``{"error": "..."}``."""

from __future__ import annotations

import msgspec

from server.errors import InvalidValues, ReloadRefused, SettingsError, TooLarge, WrongMediaType
from server.problem import Headers, Reply
from server.problem import problem as native_problem

BAD_REQUEST = (InvalidValues, ReloadRefused, SettingsError, TooLarge, WrongMediaType)
"""Clients look at the text; the protocol's own servers have 400 for all of these."""


def speaks(path: str) -> bool:
    """Whether a path is one of the protocol's, so that its errors are."""
    return path == "/v2" or path.startswith("/v2/")


def problem(error: Exception, request_id: str, headers: Headers = ()) -> Reply:
    """The answer for an error; what is not the caller's fault is logged, and told as no more than 500."""
    native = native_problem(error, request_id)
    told = msgspec.json.decode(native.body)
    status = 400 if isinstance(error, BAD_REQUEST) else native.status
    return refusal(status, told["detail"], (*headers, *native.headers))


def refusal(status: int, words: str, headers: Headers = ()) -> Reply:
    """In the protocol's shape, whatever the reason."""
    return Reply(status, headers, msgspec.json.encode({"error": words}))
