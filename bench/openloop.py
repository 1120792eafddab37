"""``mps bench open-loop``: callers who do not wait for each other, beside batches, and too many of them."""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from bench.faults import faults
from bench.findings import publish
from bench.load.cores import pinned, split
from bench.load.driver import drive, drive_together
from bench.load.spec import Load, Timings
from bench.machine import this_machine
from bench.options import Commands, add_out, add_rounds, add_settings, count, positive
from bench.patience import Patience, line
from bench.targets.questions import batch, singles
from bench.targets.shelf import Shelf, stocked
from bench.targets.target import Ours, Target

SINGLE_CONNECTIONS = 16
"""More than can be under way at a modest rate, unless the server stalls."""
BATCH_ROWS, BIG_BATCH_ROWS = 1_000, 10_000
MAXIMUM_CONNECTIONS = 4
"""Enough to keep one worker busy without a pause, few enough not to be refused."""
SHARES = (0.5, 1.0, 3.0)
"""Of the measured maximum."""
ALONE, BESIDE = "single rows, alone", f"single rows, beside batches of {BIG_BATCH_ROWS:,} rows"
BIG_ALONE = f"batches of {BIG_BATCH_ROWS:,} rows without a pause, alone"
BIG_BESIDE = f"batches of {BIG_BATCH_ROWS:,} rows without a pause, beside single rows"
MAXIMUM = f"batches of {BATCH_ROWS:,} rows, {MAXIMUM_CONNECTIONS} connections without a pause: the maximum"
Timed = dict[str, list[Timings]]


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "open-loop",
        help="latency of single rows at a fixed rate, alone and beside batches; and overload",
        description="Sends at fixed times, whether or not earlier requests are answered, and counts latency "
        "from when each was due. Writes open-loop.json, open-loop.md and open-loop.svg. Exits with 1 when an "
        "answer was wrong; a refusal with status 503 is none.",
    )
    add_out(parser)
    add_rounds(parser, rounds=3, seconds=4, warm_up_s=1)
    add_settings(parser)
    parser.add_argument(
        "--rate", type=positive, default=100.0, metavar="R", help="single rows a second (100)"
    )
    parser.add_argument(
        "--connections", type=count, default=64, metavar="N", help="of the overload (default: 64)"
    )
    parser.set_defaults(run=openloop)


def openloop(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done, 1 an answer was wrong.

    Raises:
        BenchError: the server did not come to answer, or not right.
    """
    cores = split(1)
    timed: Timed = defaultdict(list)
    offered: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-open-") as folder, ExitStack() as stack:
        shelf = stocked(Path(folder))
        with pinned(cores.server):
            server = stack.enter_context(Ours(shelf, dict(arguments.set)))
        scenes = Scenes(server, shelf, arguments, cores.load)
        for _ in range(arguments.rounds):
            scenes.mixture(timed, offered)
            scenes.overload(timed, offered)
    found = [
        fault for what, runs in timed.items() for fault in faults(what, runs, may_refuse=what in offered)
    ]
    result = Patience(
        command=command,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_up_s=arguments.warm_up,
        connections=arguments.connections,
        cores=str(cores),
        machine=this_machine(),
        lines=tuple(line(what, offered.get(what, []), runs) for what, runs in timed.items()),
        faults=tuple(found),
    )
    return publish(result, arguments.out, "open-loop")


class Scenes:
    """What is played once in each round; the timings are added to those of earlier rounds."""

    def __init__(
        self, target: Target, shelf: Shelf, arguments: argparse.Namespace, cores: Collection[int]
    ) -> None:
        """Ask everything once, so that what is timed is known to be right.

        Raises:
            LoadFailed: it was not.
        """
        seconds, warm_up_s = arguments.seconds, arguments.warm_up
        self._cores, self._rate_rps, self._connections = cores, arguments.rate, arguments.connections
        port = target.port
        some = batch(target, shelf.labels, BATCH_ROWS)
        self._single = Load(
            port, singles(target, shelf.labels), SINGLE_CONNECTIONS, seconds, warm_up_s, arguments.rate
        )
        self._big = Load(port, batch(target, shelf.labels, BIG_BATCH_ROWS), 1, seconds, warm_up_s)
        self._maximum = Load(port, some, MAXIMUM_CONNECTIONS, seconds, warm_up_s)

    def mixture(self, timed: Timed, offered: dict[str, list[float]]) -> None:
        """Single rows and big batches, each alone and then together, from a process each."""
        timed[ALONE].append(drive(self._single, self._cores))
        timed[BIG_ALONE].append(drive(self._big, self._cores))
        beside, big = drive_together([self._single, self._big], self._cores)
        timed[BESIDE].append(beside)
        timed[BIG_BESIDE].append(big)
        for what in (ALONE, BESIDE):
            offered[what].append(self._rate_rps)

    def overload(self, timed: Timed, offered: dict[str, list[float]]) -> None:
        """Batches at shares of what was just measured to be the maximum."""
        highest = drive(self._maximum, self._cores)
        timed[MAXIMUM].append(highest)
        for share in SHARES:
            what = f"batches of {BATCH_ROWS:,} rows, offered at {share:g} x the maximum"
            rate_rps = max(share * highest.throughput_rps, 1.0)
            load = Load(
                self._maximum.port,
                self._maximum.exchanges,
                self._connections,
                self._maximum.seconds,
                self._maximum.warm_up_s,
                rate_rps,
            )
            timed[what].append(drive(load, self._cores))
            offered[what].append(rate_rps)
