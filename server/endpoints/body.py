"""Reads a request's body up to the cap."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from server.endpoints.answer import AnyRequest
from server.errors import TooLarge
from server.reading import MAX_DRAINED_BYTES

Read = Callable[[AnyRequest], Awaitable[bytes | TooLarge]]


def body_reader(max_body_bytes: int) -> Read:
    """Reads a body, or says that it is too large; Litestar's ``request_max_body_size`` counts."""

    async def read(request: AnyRequest) -> bytes | TooLarge:
        try:
            return await request.body()
        except RequestEntityTooLarge:
            await _drain(request)
            return TooLarge.body(max_body_bytes)

    return read


async def _drain(request: AnyRequest) -> None:
    dropped, more = 0, True
    while more and dropped < MAX_DRAINED_BYTES:
        message = await request.receive()
        more = message["type"] == "http.request" and message["more_body"]
        dropped += len(message["body"]) if message["type"] == "http.request" else 0
