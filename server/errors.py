"""What can go wrong while serving. Nothing here knows HTTP; ``server.problem`` gives each class its status.

ServerError
├── SettingsError        a setting that is unknown, of the wrong type or out of range
├── RequestError         the caller can mend it
│   ├── MalformedBody    not JSON at all
│   ├── InvalidValues    JSON, but not what the model or endpoint takes; one Fault per mistake
│   ├── TooLarge         more bytes or rows than the server is set to take
│   ├── WrongMediaType   the body is declared to be something else than JSON
│   ├── NotLoaded        no loaded model of that name
│   ├── NotExplainable   a model whose answers have no exact explanation
│   ├── AdminClosed      admin endpoints are closed because no token is set
│   └── Unauthorized     the bearer token is absent or wrong
├── ReloadRefused        a reload that changed nothing, with the reason
└── Unavailable          not now; a later try may succeed
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One mistake in a request."""

    pointer: str
    """Where: a JSON pointer (RFC 6901) into the body, or a query parameter's name."""
    detail: str
    """What was expected and what came."""


class ServerError(Exception):
    """Root of the server's errors; the text may be shown to a caller."""


class SettingsError(ServerError):
    """A setting that is unknown, of the wrong type or out of range."""


class RequestError(ServerError):
    """The caller can mend it."""


class MalformedBody(RequestError):
    """Not JSON at all."""


class InvalidValues(RequestError):
    """JSON, but not what is taken; one fault per mistake."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep the faults for the answer."""
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults


class TooLarge(RequestError):
    """More bytes or rows than the server is set to take."""

    @classmethod
    def body(cls, max_body_bytes: int) -> TooLarge:
        """Of a body with too many bytes."""
        return cls(f"expected a body of at most {max_body_bytes} bytes; send it in parts")


class WrongMediaType(RequestError):
    """The body is declared to be something else than JSON."""


class NotLoaded(RequestError):
    """No loaded model of that name."""


class NotExplainable(RequestError):
    """The model's answers cannot be explained exactly; the text says why."""


class AdminClosed(RequestError):
    """Admin endpoints are closed because no token is set."""


class Unauthorized(RequestError):
    """The bearer token is absent or wrong."""


class ReloadRefused(ServerError):
    """A reload that changed nothing, with the reason."""


class Unavailable(ServerError):
    """Not now; a later try may succeed."""

    def __init__(self, words: str, retry_after_s: int = 1) -> None:
        """Say when to try again, in whole seconds; at least one."""
        super().__init__(words)
        self.retry_after_s = max(retry_after_s, 1)
