"""``mps bench page``: the README's section on performance, from the files of the other commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.comparison import Comparison
from bench.errors import BadDocument
from bench.footprint_report import FootprintReport
from bench.options import Commands, add_out
from bench.page import PERFORMANCE, read_block, write_block
from bench.parsing import Parsing
from bench.patience import Patience
from bench.steadiness import Steadiness

T = TypeVar("T")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "page",
        help="write the README's section on performance from the results of the other commands",
        description="From the files of compare, parse, open-loop, switch and footprint; measures nothing.",
    )
    add_out(parser)
    page = parser.add_mutually_exclusive_group(required=True)
    page.add_argument("--readme", type=Path, metavar="FILE", help="write the section into this page")
    page.add_argument(
        "--check", type=Path, metavar="FILE", help="fail unless the page says what the files say"
    )
    parser.set_defaults(run=page_command)


def page_command(arguments: argparse.Namespace, _: str) -> int:
    """Write the section, or hold the page against the files; 0 done.

    Raises:
        BadDocument: a file or the page cannot be read, or they differ.
    """
    made = section(arguments.out)
    if arguments.readme:
        write_block(arguments.readme, PERFORMANCE, made)
    elif read_block(arguments.check, PERFORMANCE) != made:
        page = arguments.check
        raise BadDocument(
            f"{page} does not say what {arguments.out} says; run: mps bench page --readme {page}"
        )
    return 0


def section(results: Path) -> str:
    """The whole section.

    Raises:
        BadDocument: one of the files is not there, or is something else.
    """
    comparison = _read(results / "compare.json", Comparison)
    parsing = _read(results / "parse.json", Parsing)
    patience = _read(results / "open-loop.json", Patience)
    footprint = _read(results / "footprint.json", FootprintReport)
    steadiness = _read(results / "switch.json", Steadiness)
    parts = [
        "One worker on one core, the load on another, a forest of 200 trees, single rows as JSON; ratios are "
        "taken within each round, and the median counts (`" + comparison.command + "`):",
        comparison.goals(),
        f"Batches, parsed and checked, against `list[list[float]]` and `np.array` (`{parsing.command}`):",
        parsing.table(),
        f"Requests at fixed times, latency from when each was due (`{patience.command}`):",
        patience.brief(),
        f"Requests while models are switched, on {steadiness.workers} workers (`{steadiness.command}`):",
        steadiness.table(),
        f"Start, memory and disk with the four models (`{footprint.command}`):",
        footprint.targets(),
        f"Measured on: {comparison.machine}.",
    ]
    return "\n\n" + "\n\n".join(part.strip() for part in parts) + "\n\n"


def _read(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except OSError as error:
        raise BadDocument(f"{file} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise BadDocument(f"{file}: {error}") from None
