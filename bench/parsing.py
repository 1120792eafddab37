"""``mps bench parse``: a batch of numbers read by the server, beside the usual way to do it."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from time import perf_counter_ns

import msgspec
import numpy as np

from bench.columns import columns
from bench.errors import BenchError
from bench.machine import Machine, this_machine
from bench.options import Commands, add_out, count
from bench.spread import Spread, shown
from registry.manifest import Feature, Signature
from server.matrix import matrix_reader

SHAPES = ((1_000, 4), (10_000, 4), (1_000, 30))
DECIMALS = (1, 6)
HEADINGS = ("rows x features", "decimals", "server µs", "usual way µs", "times as fast (lowest to highest)")


class Parsed(msgspec.Struct, frozen=True):
    """One kind of body."""

    rows: int
    features: int
    decimals: int
    server_us: Spread
    usual_us: Spread
    ratio: Spread
    """Of the times, taken in each round by itself."""

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        times = shown(self.server_us, 0), shown(self.usual_us, 0), shown(self.ratio, 2)
        return (f"{self.rows:,} x {self.features}", str(self.decimals), *times)


class Parsing(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    rounds: int
    machine: Machine
    parsed: tuple[Parsed, ...]

    def table(self) -> str:
        """One line for each kind of body."""
        return columns(HEADINGS, [one.cells for one in self.parsed])

    def markdown(self) -> str:
        """The whole report."""
        return (
            f"{self.table()}\n"
            "- server: to float64 arrays; every number, its range and the length of every row checked\n"
            "- usual way: msgspec to `list[list[float]]`, then `np.array`; ranges are not checked\n"
            f"- {self.rounds} rounds in turns, one thread; the median, lowest and highest in brackets\n"
            f"- `{self.command}`\n"
            f"- {self.machine}\n"
        )


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "parse",
        help="how fast batches of numbers are read",
        description="Reads bodies of batches by the server's reader and by the usual way, in turns. Writes "
        "parse.json and parse.md.",
    )
    add_out(parser)
    parser.add_argument("--rounds", type=count, default=60, metavar="N", help="(default: %(default)s)")
    parser.set_defaults(run=parse)


def parse(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done.

    Raises:
        BenchError: the two ways read something else.
    """
    kinds = [(rows, features, decimals) for rows, features in SHAPES for decimals in DECIMALS]
    parsed = tuple(_measured(*kind, arguments.rounds) for kind in kinds)
    result = Parsing(command, arguments.rounds, this_machine(), parsed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (arguments.out / "parse.json").write_bytes(encoded + b"\n")
    (arguments.out / "parse.md").write_text(result.markdown(), "utf-8")
    print(result.markdown(), end="")
    return 0


class _Batch(msgspec.Struct):
    instances: list[list[float]]


def _measured(rows: int, features: int, decimals: int, rounds: int) -> Parsed:
    numbers = random.Random(0)
    table = [[round(numbers.uniform(0, 10), decimals) for _ in range(features)] for _ in range(rows)]
    body = msgspec.json.encode({"instances": table})
    names = [Feature(name=f"x{index}", dtype="float64", minimum=0, maximum=10) for index in range(features)]
    reader = matrix_reader(Signature(features=tuple(names)))
    assert reader is not None  # it takes floats
    decode = msgspec.json.Decoder(_Batch).decode

    def server() -> object:
        return reader.read(body, rows)

    def usual() -> object:
        return np.array(decode(body).instances, np.float64)

    parts = reader.read(body, rows)
    if parts is None or np.concatenate(parts).tobytes() != np.array(table).tobytes():
        raise BenchError(f"{rows} x {features}: the reader reads something else")
    pairs = [(_time_us(server), _time_us(usual)) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    spreads = Spread.of(ours), Spread.of(theirs), Spread.of(two / one for one, two in pairs)
    assert all(spreads)  # there was a round
    return Parsed(rows, features, decimals, *spreads)  # type: ignore[arg-type]


def _time_us(work: Callable[[], object]) -> float:
    start_ns = perf_counter_ns()
    work()
    return (perf_counter_ns() - start_ns) / 1000
