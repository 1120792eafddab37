"""What switching under load found, for people and for programs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from bench.columns import columns
from bench.load.spec import Answer, Latency, Timings
from bench.machine import Machine
from bench.promises import Promise, promises
from bench.switcher import Reload

HEADINGS = ("what", "count", "p50 ms", "p99 ms", "max ms")
KEPT = {True: "kept", False: "broken"}


class Watched(NamedTuple):
    """What was seen while a server was loaded and switched."""

    timings: Timings
    """With the answers."""
    reloads: Sequence[Reload]
    """That were acknowledged, in order."""
    refused: Sequence[str]
    """What was wrong with the others."""

    @property
    def measured(self) -> list[Answer]:
        """The answers to requests that were due in the measured time."""
        begin_s, end_s = self.timings.begin_s, self.timings.begin_s + self.timings.seconds
        return [answer for answer in self.timings.answers if begin_s <= answer.due_s < end_s]

    @property
    def measured_reloads(self) -> list[Reload]:
        """Those that were acknowledged in the measured time."""
        begin_s, end_s = self.timings.begin_s, self.timings.begin_s + self.timings.seconds
        return [reload for reload in self.reloads if begin_s <= reload.acknowledged_s < end_s]


class Phase(msgspec.Struct, frozen=True):
    """One kind of disturbance, and what it did to the requests."""

    what: str
    all: Latency | None
    """Of all requests of the measured time; each counts from when it was due."""
    during: Latency | None
    """Of those that were under way while a reload was."""
    between: Latency | None
    """Of the others."""
    reload: Latency | None
    """Of the reloads: how long each took."""
    reloads_per_s: float
    generations: int
    """That answered in the measured time."""
    fresh: int
    """Requests of the measured time that had a connection of their own."""
    client_busy: float
    """Share of a core that the load generator took."""
    promises: tuple[Promise, ...]
    """Of the whole run, the warm-up included."""

    @property
    def faults(self) -> tuple[str, ...]:
        """The first few of each broken promise."""
        found = []
        for one in self.promises:
            found += [f"{self.what}: {fault}" for fault in one.first]
            if one.broken > len(one.first):
                found.append(f"{self.what}: {one.broken - len(one.first)} more against: {one.promise}")
        return tuple(found)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Of the table of latencies."""
        named = {
            "all requests": self.all,
            "requests during a reload": self.during,
            "requests between reloads": self.between,
            "reloads": self.reload,
        }
        return [(f"{self.what}: {name}", *_cells(latency)) for name, latency in named.items()]


class Steadiness(msgspec.Struct, frozen=True):
    """One run of ``mps bench switch``."""

    command: str
    seconds: float
    warm_up_s: float
    rate_rps: float
    connections: int
    fresh_connections: int
    """Of these, those that are opened anew for each request."""
    workers: int
    budget_ms: float
    """For the p99 of all requests."""
    models: tuple[str, ...]
    """Switched to in turn."""
    cores: str
    machine: Machine
    phases: tuple[Phase, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Of all phases."""
        return tuple(fault for phase in self.phases for fault in phase.faults)

    @property
    def in_budget(self) -> bool:
        """Every phase kept it."""
        return all(_in_budget(phase, self.budget_ms) for phase in self.phases)

    def table(self) -> str:
        """The latencies."""
        return columns(HEADINGS, [row for phase in self.phases for row in phase.rows])

    def markdown(self) -> str:
        """The whole report."""
        promised = [one.promise for one in self.phases[0].promises]
        broken = [[str(one.broken) for one in phase.promises] for phase in self.phases]
        kept = list(zip(promised, *broken, strict=True))
        lines = [
            self.table(),
            columns(("promise", *(f"broken: {phase.what}" for phase in self.phases)), kept),
            *(line for phase in self.phases for line in self._verdicts(phase)),
            *(f"- WRONG: {fault}" for fault in self.faults),
            f"- `{self.command}`",
            f"- {self.rate_rps:g} requests a second at fixed times (open loop) for {self.seconds:g} s after "
            f"{self.warm_up_s:g} s; latency counts from when a request was due; {self.connections} "
            f"connections, {self.fresh_connections} of them opened anew for each request; worker processes: "
            f"{self.workers}",
            f"- `model_type` is set to {', '.join(self.models)} in turn by `POST /config/reload`, while "
            "everybody asks `/predict?probabilities=true` for one row to which each model has an answer of "
            "its own",
            "- a request starts before its first byte is sent, or its connection opened; a reload is "
            "acknowledged when its answer is there; both by one clock",
            *(f"- {phase.what}: {_counts(phase)}" for phase in self.phases),
            f"- {self.cores}",
            f"- {self.machine}",
        ]
        return "\n".join(lines) + "\n"

    def _verdicts(self, phase: Phase) -> list[str]:
        broken = sum(one.broken for one in phase.promises)
        p99 = f"{phase.all.p99_ms:.2f} ms" if phase.all else "none"
        return [
            f"- {phase.what}: faults: {broken}: {KEPT[not broken]}",
            f"- {phase.what}: p99 of all requests: {p99}, budget {self.budget_ms:g} ms: "
            f"{KEPT[_in_budget(phase, self.budget_ms)]}",
        ]


def phase(what: str, watched: Watched, expected: Mapping[str, str]) -> Phase:
    """Judge and count.

    Args:
        what: named in each line.
        watched: what was seen.
        expected: by model, the whole body of its answer.
    """
    timings, answers, reloads = watched.timings, watched.measured, watched.measured_reloads
    refused = [*watched.refused, *([] if reloads else ["no reload was acknowledged in the measured time"])]
    pairs = [(answer, overlaps(answer, watched.reloads)) for answer in answers]
    return Phase(
        what,
        all=Latency.of([answer.latency_ms for answer in answers]),
        during=Latency.of([answer.latency_ms for answer, touches in pairs if touches]),
        between=Latency.of([answer.latency_ms for answer, touches in pairs if not touches]),
        reload=Latency.of([reload.took_ms for reload in reloads]),
        reloads_per_s=round(len(reloads) / timings.seconds, 2),
        generations=len({answer.generation for answer in answers}),
        fresh=sum(answer.fresh for answer in answers),
        client_busy=timings.client_busy,
        promises=promises(timings, watched.reloads, refused, expected),
    )


def overlaps(answer: Answer, reloads: Sequence[Reload]) -> bool:
    """Whether a request waited at a time when a reload was under way. Reloads do not overlap each other."""
    index = bisect_right(reloads, answer.due_s, key=lambda reload: reload.acknowledged_s)
    return index < len(reloads) and reloads[index].sent_s < answer.came_s


def _in_budget(phase: Phase, budget_ms: float) -> bool:
    return phase.all is not None and phase.all.p99_ms <= budget_ms


def _cells(latency: Latency | None) -> tuple[str, ...]:
    if latency is None:
        return ("0", "-", "-", "-")
    times = (latency.p50_ms, latency.p99_ms, latency.max_ms)
    return (f"{latency.count:,}", *(f"{time:.2f}" for time in times))


def _counts(phase: Phase) -> str:
    return (
        f"{phase.reloads_per_s:g} reloads a second, {phase.generations:,} generations answered, "
        f"{phase.fresh:,} requests on connections of their own; the load generator took "
        f"{phase.client_busy:.0%} of a core"
    )
