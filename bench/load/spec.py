"""What a load generator is told, and what it says afterwards."""

from __future__ import annotations

from typing import Self

import msgspec

from bench.samples import percentile

REFUSED = 503
"""The status of a server that has too much to do: neither an answer nor a failure."""


class Exchange(msgspec.Struct, frozen=True):
    """One request and its right answer."""

    path: str
    body: bytes
    """JSON."""
    expected: bytes
    """The whole body of the answer, byte by byte."""


class Load(msgspec.Struct, frozen=True):
    """What one process sends."""

    port: int
    exchanges: tuple[Exchange, ...]
    """Taken in turn, so that an answer to somebody else's request is seen to be wrong."""
    connections: int
    """All opened before the load begins, and but for the fresh ones kept alive."""
    seconds: float
    """Measured, after the warm-up."""
    warm_up_s: float
    rate_rps: float | None = None
    """Requests a second of all connections together, at fixed times (open loop). None: each connection sends
    its next request when the last is answered (closed loop)."""
    host: str = "127.0.0.1"
    fresh: int = 0
    """So many of the connections are opened anew for each request."""
    witnessed: bool = False
    """Bring every answer home instead of judging it; what the exchanges expect counts for nothing."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What a witness saw; times are on the clock of ``time.monotonic``, which is the machine's."""

    due_s: float
    """Latency counts from here."""
    started_s: float
    """Before the first byte was sent; on a fresh connection, before it was opened."""
    came_s: float
    """All of it was there."""
    fresh: bool
    """On a connection of its own."""
    status: int
    generation: str
    """As its header says; empty without one."""
    model: str
    """The same."""
    body: str

    @property
    def latency_ms(self) -> float:
        """Since it was due."""
        return (self.came_s - self.due_s) * 1000


class Latency(msgspec.Struct, frozen=True):
    """Exact, of all requests that were to be sent in the measured time."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies_ms: list[float]) -> Self | None:
        """None when there is none."""
        if not latencies_ms:
            return None
        ordered = sorted(latencies_ms)
        return cls(len(ordered), percentile(ordered, 50), percentile(ordered, 99), ordered[-1])


class Timings(msgspec.Struct, frozen=True):
    """What one process saw."""

    seconds: float
    throughput_rps: float
    """Right answers that came in the measured time, a second."""
    accepted: Latency | None
    """Of right answers."""
    refused: Latency | None
    """Of answers with status 503."""
    statuses: dict[int, int]
    """Answers that came in the measured time, by status."""
    failures: int
    """Answers that were wrong or missing, and connections that broke, from the first request to the last."""
    faults: list[str]
    """What was wrong with the first few of them."""
    unsent: int
    """Requests of an open loop that no connection was ever free for: the latencies are at least these."""
    client_busy: float
    """Share of a core that the load generator took. Near 1 in a closed loop, it is what was measured."""
    begin_s: float = 0.0
    """The measured time began, on the clock of ``time.monotonic``."""
    answers: list[Answer] = []
    """Of a load that was witnessed, in order of arrival, from the first request to the last."""

    @property
    def refused_share(self) -> float:
        """Of the answers that came in the measured time."""
        return self.statuses.get(REFUSED, 0) / max(sum(self.statuses.values()), 1)
