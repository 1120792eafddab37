"""Reads the body of a synchronous request, and keeps slow senders from taking every thread."""

from __future__ import annotations

from threading import get_ident
from time import perf_counter_ns
from typing import Any

from server.errors import MalformedBody, Unavailable

Environ = dict[str, Any]

MAX_DRAINED_BYTES = 64 << 20
"""How much of a body that is refused anyway is read and dropped. A client that is still sending when the
connection closes sees a broken pipe instead of the answer."""
CHUNK_BYTES = 64 << 10
SLOW_NS = 200_000_000
"""A body that takes longer is sent slowly."""
SPARE_THREADS = 4
"""Are left to those who do not send slowly, to health checks and to switching."""


class BodyReader:
    """The bodies of one worker's requests. Safe to call from several threads."""

    def __init__(self, max_body_bytes: int, threads: int) -> None:
        """``threads`` is how many the worker has."""
        self.max_body_bytes = max_body_bytes
        self._most_slow = threads - SPARE_THREADS
        self._since_ns: dict[int, int] = {}
        """Of each thread that is reading."""

    def read(self, environ: Environ, now_ns: int) -> bytes:
        """The body; of one that is too large, its beginning, with one byte too many. The rest is dropped.

        Args:
            environ: of the request.
            now_ns: on the clock of ``perf_counter_ns``.

        Raises:
            MalformedBody: it ended before it was complete.
            Unavailable: slow senders hold all threads but the spare ones.
        """
        said = environ.get("CONTENT_LENGTH")
        declared = None if said is None else int(said)
        if declared is None:
            unknown = "HTTP_TRANSFER_ENCODING" in environ or environ["SERVER_PROTOCOL"] == "HTTP/2"
            if not unknown:
                return b""
        reading, me = self._since_ns, get_ident()
        if len(reading) >= self._most_slow and self._all_slow():
            raise Unavailable("too many clients are sending slowly; try again")
        reading[me] = now_ns
        try:
            if declared is not None and declared <= self.max_body_bytes:
                body: bytes = environ["wsgi.input"].read()
            else:
                body = self._beginning(environ["wsgi.input"])
        finally:
            del reading[me]
        if declared is not None:
            least = declared if declared <= self.max_body_bytes else self.max_body_bytes + 1
        else:  # of unknown length; a POST that says nothing announces no body
            least = environ["REQUEST_METHOD"] == "POST"
        if len(body) < least:  # granian tells nobody that a client hung up: the body just ends
            raise MalformedBody("the body ended before it was complete")
        return body

    def _all_slow(self) -> bool:
        now_ns = perf_counter_ns()
        slow = sum(now_ns - since_ns > SLOW_NS for since_ns in list(self._since_ns.values()))
        return slow >= self._most_slow

    def _beginning(self, stream: Any) -> bytes:
        parts, length = [], 0
        while length < MAX_DRAINED_BYTES and (part := stream.read(CHUNK_BYTES)):
            if length <= self.max_body_bytes:
                parts.append(part)
            length += len(part)
        return b"".join(parts)[: self.max_body_bytes + 1]
