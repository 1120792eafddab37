"""The open loop: requests at fixed times, whether or not the earlier ones are answered.

Latency counts from the time at which a request was due, not from when a connection was free for it. Otherwise
a server that stalls holds back the very requests that would have had to wait for it, and the percentiles show
the few that were sent: "coordinated omission", Gil Tene, https://github.com/giltene/wrk2#readme.
"""

from __future__ import annotations

import math
import select
import time
from collections import deque

from bench.load.connection import Connection
from bench.load.loop import DRAIN_S, Loop
from bench.load.spec import Load

SPIN_S = 0.0003
"""Sleeping ends this long before a request is due; the kernel wakes a sleeper late by a part of that."""


class PacedLoop(Loop):
    """Finds how long callers wait who do not know of each other."""

    def __init__(self, load: Load) -> None:
        """Prepare; nothing is opened yet."""
        super().__init__(load)
        self._idle: deque[Connection] = deque()

    def send(self, start_s: float) -> None:
        """All requests that fall into the run, each as soon as it is due and a connection is free."""
        load = self.load
        rate_rps = load.rate_rps or 0.0
        total = math.ceil((load.warm_up_s + load.seconds) * rate_rps)
        self._idle.extend(self.connections.values())
        sent, last_s = 0, self.tally.end_s + DRAIN_S
        while sent < total and self.connections and not self.tally.given_up:
            now_s = time.monotonic()
            if now_s >= last_s:
                break
            due_s = start_s + sent / rate_rps
            if due_s <= now_s and self._idle:
                self.ask(self._idle.popleft(), due_s)
                sent += 1
            else:
                self._wait((due_s if self._idle else last_s) - now_s)
        self.tally.unsent = total - sent
        while (left_s := self.tally.end_s - time.monotonic()) > 0 and self.connections:
            self.step(left_s)

    def released(self, connection: Connection, now_s: float) -> None:
        """It waits for the next request that is due; the one that has rested longest comes first."""
        self._idle.append(connection)

    def _wait(self, wait_s: float) -> None:
        """Take answers until shortly before the time is over. epoll itself sleeps in whole milliseconds."""
        select.select([self.poll], [], [], max(0.0, wait_s - SPIN_S))
        self.step(0)
