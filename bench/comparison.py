"""What a comparison found, for people and for programs."""

from __future__ import annotations

import msgspec
from matplotlib.figure import Figure

from bench.columns import columns
from bench.goals import MANY, ONE, Ratio
from bench.machine import Machine
from bench.plot import Panel, panels
from bench.spread import Spread, shown

RATIO_HEADINGS = ("ours to", "setting", "measure", "ratio (lowest to highest round)", "goal", "met")
FIGURE_HEADINGS = ("target", "setting", "answers/s", "p50 ms", "p99 ms", "client busy")
MET = {True: "yes", False: "no", None: "-"}


class Figures(msgspec.Struct, frozen=True):
    """Of one target under one kind of load."""

    target: str
    setting: str
    throughput_rps: Spread | None
    p50_ms: Spread | None
    p99_ms: Spread | None
    client_busy: float
    """The highest of the rounds; near 1, the load generator is what was measured."""

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        spreads = (shown(self.throughput_rps, 0), shown(self.p50_ms, 3), shown(self.p99_ms, 3))
        return (self.target, self.setting, *spreads, f"{self.client_busy:.0%}")


class Comparison(msgspec.Struct, frozen=True):
    """One run of ``mps bench compare``."""

    command: str
    rounds: int
    seconds: float
    warm_up_s: float
    cores: str
    machine: Machine
    versions: dict[str, str]
    about: dict[str, str]
    """Of each target."""
    left_out: dict[str, str]
    """Target to why it did not take part."""
    ratios: tuple[Ratio, ...]
    figures: tuple[Figures, ...]
    faults: tuple[str, ...]

    def goals(self) -> str:
        """The ratios that have one."""
        return columns(RATIO_HEADINGS, [_cells(ratio) for ratio in self.ratios if ratio.goal])

    def markdown(self) -> str:
        """The whole report."""
        goals = [ratio for ratio in self.ratios if ratio.goal]
        others = [ratio for ratio in self.ratios if not ratio.goal]
        versions = "".join(f", {name} {number}" for name, number in self.versions.items())
        lines = [
            columns(RATIO_HEADINGS, [_cells(ratio) for ratio in [*goals, *others]]),
            columns(FIGURE_HEADINGS, [figures.cells for figures in self.figures]),
            *(f"- {name}: {about}" for name, about in self.about.items()),
            *(f"- left out: {name}: {why}" for name, why in self.left_out.items()),
            *(f"- WRONG: {fault}" for fault in self.faults),
            f"- `{self.command}`",
            f"- {self.rounds} rounds in turns, each {self.seconds:g} s after {self.warm_up_s:g} s warm-up; "
            "ratios are taken in each round; the median counts, lowest and highest in brackets",
            "- closed loop, keep-alive, every answer checked against the label of the trainer",
            f"- {self.cores}",
            f"- {self.machine}{versions}",
        ]
        return "\n".join(lines) + "\n"

    def figure(self) -> Figure:
        """Throughput of all, and the latency of one row at a time."""
        many = {row.target: row.throughput_rps for row in self.figures if row.setting == MANY}
        alone = {row.target: row.p50_ms for row in self.figures if row.setting == ONE}
        drawn = [
            Panel(f"Throughput, {MANY}", "answers a second (log scale)", _there(many)),
            Panel(f"Latency, {ONE}", "p50, ms (log scale)", _there(alone)),
        ]
        return panels([panel for panel in drawn if panel.figures])


def _cells(ratio: Ratio) -> tuple[str, ...]:
    spread = shown(ratio.ratio, 2)
    return (ratio.other, ratio.setting, ratio.measure, spread, ratio.goal or "-", MET[ratio.met])


def _there(figures: dict[str, Spread | None]) -> dict[str, Spread]:
    return {name: spread for name, spread in figures.items() if spread}
