"""What the kernel says of a broken connection."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time

import pytest

from bench.load.connection import Broken, Connection
from bench.load.question import Question
from bench.load.spec import Exchange
from tests.bench.load.impostor import HOST

LARGE = Exchange("/predict", b"x" * (8 << 20), b"{}")


def reset(accepted: socket.socket) -> None:
    """End it as a process that is killed does."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    accepted.close()
    time.sleep(0.05)  # for the news to arrive; without it the test would only show less


def test_a_connection_that_breaks_while_a_request_is_sent() -> None:
    """Before its first byte, or in the middle of a large one; it can be opened again."""
    with select.epoll() as poll, socket.create_server((HOST, 0)) as server:
        turns = itertools.repeat(Question(LARGE, *server.getsockname()))
        connection = Connection(server.getsockname(), turns, poll)
        try:
            connection.ask(0.0)
            assert [events for _, events in poll.poll(0)] in ([], [select.EPOLLOUT])
            reset(server.accept()[0])
            with pytest.raises(Broken, match=r"sending failed: (Connection reset by peer|Broken pipe)"):
                connection.push()
            connection.reopen()
            assert not connection.pending
            reset(server.accept()[0])
            with pytest.raises(Broken, match=r"sending failed: (Connection reset by peer|Broken pipe)"):
                connection.ask(0.0)
        finally:
            connection.close()


def test_waking_up_for_nothing_is_no_failure() -> None:
    """There is nothing to receive, or no room to send."""
    with select.epoll() as poll, socket.create_server((HOST, 0)) as server:
        turns = itertools.repeat(Question(LARGE, *server.getsockname()))
        connection = Connection(server.getsockname(), turns, poll)
        try:
            connection.ask(0.0)
            assert connection.take() == 0
            for _ in range(20):  # until the kernel takes no more
                connection.push()
            assert connection.pending
        finally:
            connection.close()
