"""What both kinds of loop share: connections that are opened, waited for, mended and drained."""

from __future__ import annotations

import itertools
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from bench.load.connection import Broken, Connection
from bench.load.question import Question
from bench.load.spec import Answer, Load, Timings
from bench.load.tally import Tally
from bench.load.witness import Witness

DRAIN_S = 5.0
"""What is unanswered at the end gets this long."""
WRITABLE = select.EPOLLOUT
READABLE = ~select.EPOLLOUT
"""An ended connection and an error count: receiving tells which."""


class Loop(ABC):
    """One run over open connections."""

    def __init__(self, load: Load) -> None:
        """Prepare; nothing is opened yet."""
        self.load = load
        self.poll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self._answers: list[Answer] = []

    def __enter__(self) -> Self:
        """Open every connection.

        Raises:
            OSError: the server does not listen.
        """
        load, address = self.load, (self.load.host, self.load.port)
        questions = [Question(exchange, *address) for exchange in load.exchanges]
        try:
            for number in range(load.connections):
                begin = number % len(questions)  # neighbours ask different things
                turns = itertools.cycle(questions[begin:] + questions[:begin])
                connection = self._opened(number, turns)
                self.connections[connection.fileno()] = connection
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        for connection in self.connections.values():
            connection.close()
        self.poll.close()

    def run(self, start_s: float) -> Timings:
        """Load the server from ``start_s`` on (by ``time.monotonic``), or from now on if that is over."""
        start_s = max(start_s, time.monotonic())
        begin_s = start_s + self.load.warm_up_s
        self.tally = Tally(begin_s, begin_s + self.load.seconds)
        time.sleep(max(0.0, start_s - time.monotonic()))
        used_s, came_s = time.process_time(), time.monotonic()
        self.send(start_s)
        passed_s = time.monotonic() - came_s
        client_busy = (time.process_time() - used_s) / passed_s
        self._drain()
        return self.tally.timings(round(client_busy, 3), self._answers)

    @abstractmethod
    def send(self, start_s: float) -> None:
        """Send until the measured time is over."""

    @abstractmethod
    def released(self, connection: Connection, now_s: float) -> None:
        """A connection has its answer and may be used again."""

    def step(self, timeout_s: float) -> None:
        """Wait for answers, at most so long, and take them."""
        for number, events in self.poll.poll(timeout_s):
            connection = self.connections[number]
            was_asked = connection.pending
            try:
                if events & WRITABLE:
                    connection.push()
                status = connection.take() if events & READABLE else 0
            except Broken as error:
                self._mend(connection, number, error, was_asked)
                continue
            if status:
                now_s = time.monotonic()
                self.tally.answered(status, connection.since_s, now_s)
                self._renumber(connection, number)
                self.released(connection, now_s)

    def ask(self, connection: Connection, since_s: float) -> None:
        """Send a request, and begin anew where the connection is found broken."""
        number = connection.fileno()
        try:
            connection.ask(since_s)
        except Broken as error:
            self._mend(connection, number, error, was_asked=True)
        else:
            self._renumber(connection, number)

    def _opened(self, number: int, turns: Iterator[Question]) -> Connection:
        """The connection with this number, from 0; those that are fresh lie as far apart as they can."""
        load, address = self.load, (self.load.host, self.load.port)
        fresh = (number + 1) * load.fresh // load.connections > number * load.fresh // load.connections
        if load.witnessed:
            return Witness(address, turns, self.poll, fresh, self._answers)
        return Connection(address, turns, self.poll, fresh)

    def _mend(self, connection: Connection, number: int, fault: Broken, was_asked: bool) -> None:
        """Count the failure and begin anew; a connection that was not asked anything is free already."""
        self.tally.fail(str(fault))
        try:
            connection.reopen()
        except Broken as error:
            self.connections.pop(number, None)  # nobody listens any more: there is one less
            self.tally.fail(str(error))
            return
        self._renumber(connection, number)
        if was_asked:
            self.released(connection, time.monotonic())

    def _renumber(self, connection: Connection, number: int) -> None:
        if connection.fileno() != number:
            del self.connections[number]
            self.connections[connection.fileno()] = connection

    def _drain(self) -> None:
        deadline_s = time.monotonic() + DRAIN_S
        while any(connection.pending for connection in self.connections.values()):
            left_s = deadline_s - time.monotonic()
            if left_s < 0 or self.tally.given_up:
                break
            self.step(left_s)
        for connection in self.connections.values():
            if connection.pending and not self.tally.given_up:
                self.tally.fail(f"no answer within {DRAIN_S:g} s of the end")
