"""``mps bench ratio``: is this server still as fast beside a bare callable as it should be?

A ratio of two servers on the same core, measured in turns, means the same on every machine; requests a second
do not. So this can fail a build.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.columns import columns
from bench.errors import LoadFailed
from bench.faults import faults
from bench.goals import MANY, ratio
from bench.load.cores import pinned, split
from bench.load.driver import interleaved
from bench.load.spec import Load, Timings
from bench.options import Commands, add_rounds, add_settings, positive
from bench.spread import Spread, shown
from bench.targets.pythons import BareRsgi
from bench.targets.questions import singles
from bench.targets.shelf import Shelf, stocked
from bench.targets.target import Ours, Target

MAX_ATTEMPTS = 3
"""A busy neighbour can spoil an attempt, hardly three in a row; a slow server spoils them all."""
FLOOR = 1.3
"""What the server is to reach. It reaches 1.5 to 1.9, so that a third more work in each request is seen."""
CONNECTIONS = 16
HEADINGS = ("attempt", "ours / bare rsgi", "at least")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ratio",
        help="fail when this server's throughput falls below a share of a bare callable's",
        description="Loads this server and a bare granian RSGI callable with the same forest in turns, "
        "16 connections, one core, and compares the median ratio of the rounds with the floor. "
        "Exits with 1 when it is below in three attempts, or an answer is wrong.",
    )
    add_rounds(parser, rounds=30, seconds=0.25, warm_up_s=0.05)
    add_settings(parser)
    parser.add_argument(
        "--floor", type=positive, default=FLOOR, metavar="X", help="lowest ratio (default: %(default)s)"
    )
    parser.set_defaults(run=gate)


def gate(arguments: argparse.Namespace, _: str) -> int:
    """Measure and print; 0 kept, 1 below the floor.

    Raises:
        BenchError: a server did not come to answer, or not right.
    """
    cores, rounds = split(1), arguments.rounds
    with tempfile.TemporaryDirectory(prefix="bench-ratio-") as folder:
        shelf = stocked(Path(folder))
        pair = (Ours(shelf, dict(arguments.set)), BareRsgi(shelf))
        with ExitStack() as stack:
            for target in pair:
                with pinned(cores.server):
                    stack.enter_context(target)
            loads = prepared(pair, shelf, arguments.seconds, arguments.warm_up)
            attempts = judged(lambda: ours_to_theirs(interleaved(loads, rounds, cores.load)), arguments.floor)
    print(table(attempts, arguments.floor), end="")
    print(f"{cores}; {rounds} rounds of {arguments.seconds:g} s in turns, {MANY}")
    return 0 if attempts[-1].median >= arguments.floor else 1


def prepared(targets: Sequence[Target], shelf: Shelf, seconds: float, warm_up_s: float) -> dict[str, Load]:
    """The load of each target by its name, after every answer was seen to be right.

    Raises:
        LoadFailed: one was not.
    """
    return {
        target.name: Load(target.port, singles(target, shelf.labels), CONNECTIONS, seconds, warm_up_s)
        for target in targets
    }


def ours_to_theirs(timings: Mapping[str, Sequence[Timings]]) -> Spread:
    """Ratio of the first target's throughput to the second's, taken in each round.

    Raises:
        LoadFailed: an answer was wrong; that is never forgiven by another attempt.
    """
    wrong = [fault for name, runs in timings.items() for fault in faults(name, runs)]
    if wrong:
        raise LoadFailed(wrong[0])
    (_, ours), (other, theirs) = timings.items()
    found = ratio(MANY, "throughput", other, ours, theirs)
    assert found is not None  # no right answer in any round would be a fault
    return found.ratio


def judged(attempt: Callable[[], Spread], floor: float) -> list[Spread]:
    """Attempts until one keeps the floor, at most three; the last counts."""
    attempts = [attempt()]
    while attempts[-1].median < floor and len(attempts) < MAX_ATTEMPTS:
        attempts.append(attempt())
    return attempts


def table(attempts: Sequence[Spread], floor: float) -> str:
    """One line for each attempt."""
    rows = [(str(number), shown(one, 2), f"{floor:g}") for number, one in enumerate(attempts, 1)]
    return columns(HEADINGS, rows)
