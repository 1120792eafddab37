"""One connection: a request goes out, its answer is put together and checked."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

from bench.load.answer import BadAnswer, Head, read_head
from bench.load.question import Question
from bench.load.spec import REFUSED

CONNECT_S = 5.0
OK = 200


class Broken(Exception):
    """The exchange failed and the connection cannot be used again; the text says why."""


class Connection:
    """Non-blocking; what it waits for is told to the poll object.

    ``ask`` and ``take`` alternate. ``Broken`` from either wants ``reopen`` before the next ``ask``.
    """

    def __init__(
        self, address: tuple[str, int], turns: Iterator[Question], poll: select.epoll, fresh: bool = False
    ) -> None:
        """Connect.

        Args:
            address: host and port.
            turns: what is asked, one after the other, without end.
            poll: is told of the socket.
            fresh: open it anew for each request.

        Raises:
            OSError: nobody listens there.
        """
        self._address, self._turns, self._poll = address, turns, poll
        self.fresh = fresh
        self.since_s = 0.0
        """What the latency of the request under way counts from, on the clock of ``time.monotonic``."""
        self.pending = False
        """A request is under way."""
        self._socket = self._connected()
        self._forget()

    def fileno(self) -> int:
        """Of the socket."""
        return self._socket.fileno()

    def ask(self, since_s: float) -> None:
        """Send the next request, or as much of it as goes.

        Raises:
            Broken
        """
        if self.fresh:
            self.reopen()
        self.since_s, self.pending = since_s, True
        self._question = next(self._turns)
        request = self._question.request
        try:
            sent = self._socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Broken(f"sending failed: {error.strerror}") from None
        if sent != len(request):
            self._unsent = memoryview(request)[sent:]
            self._poll.modify(self._socket, select.EPOLLIN | select.EPOLLOUT)

    def push(self) -> None:
        """Send more of a request that did not go at once.

        Raises:
            Broken
        """
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise Broken(f"sending failed: {error.strerror}") from None
        if not self._unsent:
            self._poll.modify(self._socket, select.EPOLLIN)

    def take(self) -> int:
        """Receive; the status once the answer is complete and right, or a refusal; until then 0.

        Raises:
            Broken: the answer is wrong, or the server ended the connection.
        """
        if not self.pending:
            raise Broken("the server ended the connection, or spoke without being asked")
        try:
            data = self._socket.recv(self._question.chunk_bytes)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Broken(f"receiving failed: {error.strerror}") from None
        if not self._parts and self._question.is_answered_by(data):
            self.pending = False
            return OK
        return self._assemble(data)

    def reopen(self) -> None:
        """Begin anew.

        Raises:
            Broken: nobody listens any more.
        """
        self.close()
        try:
            self._socket = self._connected()
        except OSError as error:
            raise Broken(f"connecting failed: {error.strerror or error}") from None
        finally:
            self._forget()

    def close(self) -> None:
        """Give the socket back; the poll object forgets it by itself."""
        self._socket.close()

    def _connected(self) -> socket.socket:
        opened = socket.create_connection(self._address, CONNECT_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        self._poll.register(opened, select.EPOLLIN)
        return opened

    def _forget(self) -> None:
        """Nothing is under way."""
        self.pending = False
        self._unsent = memoryview(b"")
        self._parts = bytearray()
        self._head: Head | None = None

    def _assemble(self, data: bytes) -> int:
        """The long way: an answer in parts, one that is not as expected, or the first of its kind."""
        if not data:
            raise Broken(f"the server ended the connection after {len(self._parts)} bytes of an answer")
        self._parts += data
        try:
            self._head = self._head or read_head(bytes(self._parts))
        except BadAnswer as error:
            raise Broken(str(error)) from None
        head = self._head
        if head is None or len(self._parts) < head.head_bytes + head.body_bytes:
            return 0
        body = bytes(self._parts[head.head_bytes :])
        self._parts.clear()
        self._head = None
        self.pending = False
        if len(body) != head.body_bytes:
            raise Broken(f"{len(body) - head.body_bytes} bytes more than one answer: {shown(body)}")
        return self.judged(head, body, bool(self._unsent))

    def judged(self, head: Head, body: bytes, early: bool) -> int:
        """What an answer that was read in full counts as: its status.

        Args:
            head: of the answer.
            body: all of it.
            early: the server answered before it had the whole request.

        Raises:
            Broken: it is wrong, or the last on this connection.
        """
        if head.status == REFUSED:
            if head.closes or early:  # it need not read a request that it refuses
                self.reopen()
            return REFUSED
        if head.status != OK:
            raise Broken(f"status {head.status}: {shown(body)}")
        if body != self._question.expected:
            raise Broken(f"expected {self._question.expected[:120].decode()}, came {shown(body)}")
        if head.closes or early:
            raise Broken("the server ends the connection with its answer; keep-alive is what is measured")
        self._question.learn(head)
        return OK


def shown(body: bytes) -> str:
    """The beginning, for a message."""
    return body[:120].decode("utf-8", "replace")
