"""What the guard found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from bench.columns import columns
from bench.machine import Machine

HEADINGS = ("what", "requests", "failures", "p50 ms", "p99 ms", "budget ms", "rounds", "verdict")


class Round(msgspec.Struct, frozen=True):
    """One run against one model."""

    requests: int
    failures: int
    p50_ms: float
    p99_ms: float
    faults: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """Whether one model, or one kind of traffic, keeps its budget. The last round counts."""

    what: str
    budget_ms: float
    rounds: tuple[Round, ...]
    """In order; more than one when the first broke the budget."""
    outcome: Literal["kept", "broken", "failures"]

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        last = self.rounds[-1]
        times = (f"{last.p50_ms:.2f}", f"{last.p99_ms:.2f}", f"{self.budget_ms:g}")
        return (
            self.what,
            str(last.requests),
            str(last.failures),
            *times,
            str(len(self.rounds)),
            self.outcome,
        )


class Report(msgspec.Struct, frozen=True):
    """One run of the guard."""

    command: str
    rate_rps: float
    seconds: int
    users: int
    workers: int
    machine: Machine
    verdicts: tuple[Verdict, ...]

    @property
    def kept(self) -> bool:
        """Nothing broke its budget and nothing failed."""
        return all(verdict.outcome == "kept" for verdict in self.verdicts)

    def markdown(self) -> str:
        """The whole report."""
        return (
            f"{table(self.verdicts)}\n"
            f"- `{self.command}`\n"
            f"- {self.rate_rps:g} requests a second from {self.users} keep-alive connections "
            f"for {self.seconds} s after a warm-up; client and server on one machine, "
            f"worker processes: {self.workers}\n"
            "- latencies of single rows; a round over budget is repeated, up to three; the last is shown\n"
            f"- {self.machine}\n"
        )


def table(verdicts: Sequence[Verdict]) -> str:
    """One line for each."""
    return columns(HEADINGS, [verdict.cells for verdict in verdicts])
