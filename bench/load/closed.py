"""The closed loop: each connection sends its next request when the last is answered."""

from __future__ import annotations

import time

from bench.load.connection import Connection
from bench.load.loop import Loop


class ClosedLoop(Loop):
    """Finds how much a server can do, and how long that takes; a slow answer delays the next question."""

    def send(self, start_s: float) -> None:
        """One request on every connection, and from then on one for each answer."""
        self._over_s = self.tally.end_s
        for connection in list(self.connections.values()):
            self.ask(connection, time.monotonic())
        tally, connections = self.tally, self.connections
        while (left_s := self._over_s - time.monotonic()) > 0 and connections and not tally.given_up:
            self.step(left_s)

    def released(self, connection: Connection, now_s: float) -> None:
        """Ask at once."""
        if now_s < self._over_s and not self.tally.given_up:
            self.ask(connection, now_s)
