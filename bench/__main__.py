"""``mps bench``: the budget guard, the model table, and how fast the server is beside others."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from bench import (
    binary,
    compare,
    footprint,
    joining,
    openloop,
    parsing,
    performance,
    ratio,
    scaling,
    stages,
    switching,
)
from bench.errors import BenchError
from bench.guard import guard
from bench.options import Commands, add_models, add_out, count, positive
from bench.table import check, measure
from registry.errors import RegistryError


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit)."""
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(words)
    command = shlex.join(["mps", "bench", *words])
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        code: int = arguments.run(arguments, command)
        return code
    except (BenchError, RegistryError) as error:
        print(f"mps bench {arguments.command}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"mps bench {arguments.command}: {error.filename}: {error.strerror}", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 1


def _leave(*_: Any) -> None:
    """Being told to stop ends the ``with`` blocks too, and with them the server."""
    sys.exit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mps bench", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_guard(commands)
    _add_table(commands)
    for module in (
        compare,
        ratio,
        scaling,
        openloop,
        switching,
        stages,
        parsing,
        binary,
        joining,
        footprint,
        performance,
    ):
        module.add(commands)
    return parser


def _add_guard(commands: Commands) -> None:
    parser = commands.add_parser(
        "guard",
        help="load a real server with each model; fail when a p99 is over its budget or a request fails",
        description="Starts a server, loads it with each model of the registry at a fixed rate, and compares "
        "the p99 with the budget in the model's manifest. Exits with 1 when one is over it in three rounds, "
        "or any request fails. Writes guard.json and guard.md.",
    )
    _add_common(parser)
    parser.add_argument("--seconds", type=count, default=4, metavar="N", help="measured (default: 4)")
    parser.add_argument("--rate", type=positive, default=100.0, metavar="R", help="requests/s (100)")
    parser.add_argument("--budget-ms", type=positive, metavar="X", help="instead of the manifests' budgets")
    parser.add_argument(
        "--together", action="store_true", help="also beside batches, and while models are switched"
    )
    parser.set_defaults(run=guard)


def _add_table(commands: Commands) -> None:
    parser = commands.add_parser(
        "table",
        help="measure what the README says of each model, and write it there",
        description="Measures each model over HTTP, one row at a time on one connection. Writes models.json "
        "and models.md; with --readme also the part of that page between its markers.",
    )
    _add_common(parser)
    parser.add_argument("--requests", type=count, default=2000, metavar="N", help="per model (2000)")
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--readme", type=Path, metavar="FILE", help="write the table into this page")
    only_check = "measure nothing; fail unless the page says what models.json says"
    page.add_argument("--check", type=Path, metavar="FILE", help=only_check)
    parser.set_defaults(run=_table)


def _table(arguments: argparse.Namespace, command: str) -> int:
    return (check if arguments.check else measure)(arguments, command)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_models(parser)
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="server processes (default: 2)")
    add_out(parser)


if __name__ == "__main__":
    raise SystemExit(main())
