"""``mps bench compare``: this server beside other ways to serve the same model."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.comparison import Comparison, Figures
from bench.faults import faults
from bench.findings import publish
from bench.goals import BATCH, BATCH_ROWS, CONNECTIONS, MANY, ONE, Measure, Ratio, ratio, value
from bench.load.cores import Cores, pinned, split
from bench.load.driver import interleaved
from bench.load.spec import Load, Timings
from bench.machine import this_machine
from bench.options import Commands, add_out, add_rounds, add_settings, names
from bench.spread import Spread
from bench.targets.questions import batch, singles
from bench.targets.roster import OURS, called, chosen
from bench.targets.shelf import Shelf, stocked
from bench.targets.target import Target

PACKAGES = ("fastapi", "httptools", "joblib", "pydantic", "scikit-learn", "uvicorn", "uvloop")
MEASURES: dict[str, tuple[Measure, ...]] = {
    MANY: ("throughput",),
    ONE: ("p50", "p99"),
    BATCH: ("throughput", "p50"),
}
Timed = dict[str, dict[str, list[Timings]]]
"""By setting, then by target: one for each round."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="this server beside bare callables, FastAPI and Fastify, serving the same forest",
        description="Starts every target on one core, checks its answers, and loads them in turns from the "
        "other cores. Writes compare.json, compare.md and compare.svg. Exits with 1 when an answer is wrong. "
        "Node's packages are downloaded once, into the cache folder; without Node that target is left out.",
    )
    add_out(parser)
    add_rounds(parser, rounds=5, seconds=4, warm_up_s=1)
    add_settings(parser)
    parser.add_argument(
        "--only", type=names, default=[], metavar="A,B", help=f"targets: {', '.join(chosen())} (default: all)"
    )
    parser.set_defaults(run=compare)


def compare(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done, 1 something answered wrong.

    Raises:
        BenchError: a target did not come to answer, or not right.
    """
    makers = chosen(arguments.only, dict(arguments.set))
    cores = split(1)
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as folder, ExitStack() as stack:
        shelf = stocked(Path(folder))
        targets, left_out = called(makers, shelf)
        for target in targets:
            with pinned(cores.server):
                stack.enter_context(target)
        timed = measured(targets, shelf, arguments, cores)
        versions = {name: number for target in targets for name, number in target.versions.items()}
    comparison = Comparison(
        command=command,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_up_s=arguments.warm_up,
        cores=str(cores),
        machine=this_machine(PACKAGES),
        versions=versions,
        about={target.name: target.about for target in targets},
        left_out=left_out,
        ratios=tuple(ratios(timed)),
        figures=tuple(figures(timed)),
        faults=tuple(wrong(timed)),
    )
    return publish(comparison, arguments.out, "compare")


def measured(targets: Sequence[Target], shelf: Shelf, arguments: argparse.Namespace, cores: Cores) -> Timed:
    """Every target under every kind of load that tells something of it.

    Raises:
        LoadFailed: a target answers wrong before the load begins.
    """
    loads: dict[str, dict[str, Load]] = {setting: {} for setting in CONNECTIONS}

    def load(setting: str, target: Target, rows: int) -> Load:
        ask = singles(target, shelf.labels) if rows == 1 else batch(target, shelf.labels, rows)
        return Load(target.port, ask, CONNECTIONS[setting], arguments.seconds, arguments.warm_up)

    for target in targets:
        loads[MANY][target.name] = load(MANY, target, 1)
        if not target.constant:
            loads[ONE][target.name] = load(ONE, target, 1)
        if target.batches:
            loads[BATCH][target.name] = load(BATCH, target, BATCH_ROWS)
    return {setting: interleaved(some, arguments.rounds, cores.load) for setting, some in loads.items()}


def wrong(timed: Timed) -> list[str]:
    """What was not answered right."""
    return [
        fault
        for setting, targets in timed.items()
        for name, runs in targets.items()
        for fault in faults(f"{name}, {setting}", runs)
    ]


def ratios(timed: Timed) -> list[Ratio]:
    """Ours to each other; nothing where ours did not take part."""
    found = [
        ratio(setting, measure, other, runs[OURS], theirs)
        for setting, runs in timed.items()
        if OURS in runs
        for other, theirs in runs.items()
        if other != OURS
        for measure in MEASURES[setting]
    ]
    return [one for one in found if one]


def figures(timed: Timed) -> list[Figures]:
    """A line for each target and setting."""

    def spread(runs: list[Timings], measure: Measure) -> Spread | None:
        return Spread.of(number for run in runs if (number := value(run, measure)) is not None)

    return [
        Figures(
            name,
            setting,
            spread(runs, "throughput"),
            spread(runs, "p50"),
            spread(runs, "p99"),
            max(run.client_busy for run in runs),
        )
        for setting, targets in timed.items()
        for name, runs in targets.items()
    ]
