"""Counts what comes back during one run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.load.spec import REFUSED, Answer, Latency, Timings
from bench.samples import SHOWN_FAULTS

MAX_FAILURES = 100
"""A run with so many is worth nothing; it ends."""


class Tally:
    """Keeps what belongs to the measured time; failures always."""

    def __init__(self, begin_s: float, end_s: float) -> None:
        """The measured time, on the clock of ``time.monotonic``."""
        self.begin_s, self.end_s = begin_s, end_s
        self.unsent = 0
        self._statuses: Counter[int] = Counter()
        self._latencies_ms: defaultdict[int, list[float]] = defaultdict(list)
        self._failures = 0
        self._faults: list[str] = []

    @property
    def given_up(self) -> bool:
        """Too much went wrong to go on."""
        return self._failures >= MAX_FAILURES

    def answered(self, status: int, since_s: float, now_s: float) -> None:
        """An answer came now, to a request whose latency counts from ``since_s``.

        A request belongs to the measured time by when it was due, also if its answer comes later: leaving
        out those that are still under way at the end would leave out the slow ones.
        """
        if self.begin_s <= since_s < self.end_s:
            self._latencies_ms[status].append((now_s - since_s) * 1000)
        if self.begin_s <= now_s < self.end_s:
            self._statuses[status] += 1

    def fail(self, fault: str) -> None:
        """Count one failure; the warm-up is no excuse."""
        self._failures += 1
        if len(self._faults) < SHOWN_FAULTS:
            self._faults.append(fault)

    def timings(self, client_busy: float, answers: Sequence[Answer] = ()) -> Timings:
        """The whole run.

        Args:
            client_busy: the share of a core that sending it took.
            answers: what witnesses saw.
        """
        seconds = self.end_s - self.begin_s
        return Timings(
            seconds=seconds,
            throughput_rps=self._statuses[200] / seconds,
            accepted=Latency.of(self._latencies_ms[200]),
            refused=Latency.of(self._latencies_ms[REFUSED]),
            statuses=dict(self._statuses),
            failures=self._failures,
            faults=self._faults,
            unsent=self.unsent,
            client_busy=client_busy,
            begin_s=self.begin_s,
            answers=list(answers),
        )
