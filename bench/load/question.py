"""A request as the bytes that are sent, and how its answer is recognised."""

from __future__ import annotations

from bench.load.answer import END, Head
from bench.load.spec import Exchange

OK_LINE = b"HTTP/1.1 200 "
MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 4 << 10, 256 << 10


class Question:
    """One exchange, prepared once and sent many times."""

    __slots__ = ("_length_line", "_tail", "chunk_bytes", "expected", "request")

    def __init__(self, exchange: Exchange, host: str, port: int) -> None:
        """Nothing is known yet of how the server spells its heads."""
        lines = (
            f"POST {exchange.path} HTTP/1.1",
            f"Host: {host}:{port}",
            "Content-Type: application/json",
            f"Content-Length: {len(exchange.body)}",
        )
        self.request = "\r\n".join(lines).encode() + END + exchange.body
        self.expected = exchange.expected
        self.chunk_bytes = min(
            max(len(self.expected) + MIN_CHUNK_BYTES // 2, MIN_CHUNK_BYTES), MAX_CHUNK_BYTES
        )
        """To receive at once: usually the whole answer."""
        self._tail = END + self.expected
        self._length_line = b""

    def learn(self, head: Head) -> None:
        """Remember the spelling of a head that was read in full and was right."""
        self._length_line = head.length_line

    def is_answered_by(self, data: bytes) -> bool:
        """Whether ``data`` is exactly one right answer with a head like the one that was read in full.

        Dates and ids make every head another one, and reading all of its lines takes longer than the rest of
        an exchange. Status, the end of the head, the length and the body settle where the answer ends and
        that it is right. False says only that a closer look is due.
        """
        cut = len(data) - len(self._tail)
        return (
            self._length_line != b""
            and data.startswith(OK_LINE)
            and data.endswith(self._tail)
            and data.find(END) == cut
            and data.find(self._length_line, 0, cut + 2) > 0
        )
