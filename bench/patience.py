"""What the open loop found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.figure import Figure

from bench.columns import columns
from bench.load.spec import Latency, Timings
from bench.machine import Machine
from bench.plot import Panel, panels
from bench.spread import Spread, shown

HEADINGS = (
    "what",
    "offered/s",
    "answered/s",
    "p50 ms",
    "p99 ms",
    "max ms",
    "refused",
    "refused p99 ms",
    "never sent",
)

BRIEF = ("what", "answered/s", "p50 ms", "p99 ms", "refused")


class Waits(msgspec.Struct, frozen=True):
    """Latencies of one kind of answer over the rounds."""

    p50_ms: Spread | None
    p99_ms: Spread | None
    max_ms: Spread | None


class Line(msgspec.Struct, frozen=True):
    """One kind of load."""

    what: str
    offered_rps: Spread | None
    """None: a closed loop."""
    answered_rps: Spread | None
    """Right answers: the goodput."""
    accepted: Waits
    refused: Waits
    refused_share: Spread | None
    unsent: int
    """Over all rounds."""

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        waits = (self.accepted.p50_ms, self.accepted.p99_ms, self.accepted.max_ms)
        share = f"{self.refused_share.median:.0%}" if self.refused_share else "-"
        return (
            self.what,
            shown(self.offered_rps, 1),
            shown(self.answered_rps, 1),
            *(shown(wait, 2) for wait in waits),
            share,
            shown(self.refused.p99_ms, 2),
            str(self.unsent),
        )


class Patience(msgspec.Struct, frozen=True):
    """One run of ``mps bench open-loop``."""

    command: str
    rounds: int
    seconds: float
    warm_up_s: float
    connections: int
    """Of the overload."""
    cores: str
    machine: Machine
    lines: tuple[Line, ...]
    faults: tuple[str, ...]

    def table(self) -> str:
        """One line for each kind of load."""
        return columns(HEADINGS, [line.cells for line in self.lines])

    def brief(self) -> str:
        """The columns that a reader wants first."""
        chosen = [HEADINGS.index(heading) for heading in BRIEF]
        return columns(BRIEF, [tuple(line.cells[index] for index in chosen) for line in self.lines])

    def markdown(self) -> str:
        """The whole report."""
        lines = [
            self.table(),
            *(f"- WRONG: {fault}" for fault in self.faults),
            f"- `{self.command}`",
            "- offered: sent at fixed times (open loop), latency counts from when a request was due, also "
            "while no connection was free (coordinated omission: https://github.com/giltene/wrk2#readme); "
            "without a pause: each connection sends its next request when the last is answered",
            f"- {self.rounds} rounds, each load {self.seconds:g} s after {self.warm_up_s:g} s; the median, "
            "lowest and highest in brackets; forest of 200 trees, one worker process, every answer checked",
            f"- refused: status 503, up to {self.connections} connections; never sent: none became free",
            f"- {self.cores}",
            f"- {self.machine}",
        ]
        return "\n".join(lines) + "\n"

    def figure(self) -> Figure:
        """How long each kind waits, and how much of it is answered."""
        p99 = {line.what: line.accepted.p99_ms for line in self.lines}
        answered = {line.what: line.answered_rps for line in self.lines}
        drawn = [("Latency", "p99, ms (log scale)", p99), ("Answers", "a second (log scale)", answered)]
        return panels(
            [
                Panel(title, unit, {what: spread for what, spread in figures.items() if spread})
                for title, unit, figures in drawn
            ]
        )


def line(what: str, offered_rps: Sequence[float], runs: Sequence[Timings]) -> Line:
    """From the rounds of one load."""
    return Line(
        what,
        Spread.of(offered_rps),
        Spread.of(run.throughput_rps for run in runs),
        _waits([run.accepted for run in runs]),
        _waits([run.refused for run in runs]),
        Spread.of(run.refused_share for run in runs),
        sum(run.unsent for run in runs),
    )


def _waits(latencies: Sequence[Latency | None]) -> Waits:
    there = [latency for latency in latencies if latency]
    return Waits(
        Spread.of(latency.p50_ms for latency in there),
        Spread.of(latency.p99_ms for latency in there),
        Spread.of(latency.max_ms for latency in there),
    )
