"""``mps bench``: the budget guard and the model table."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.guard import guard
from bench.table import check, measure
from registry.errors import RegistryError
from server.settings import SHIPPED_REGISTRY

RESULTS = Path("bench/results")


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
    return parser


def _add_guard(commands: Any) -> None:
    parser = commands.add_parser(
        "guard",
        help="load a real server with each model; fail when a p99 is over its budget or a request fails",
        description="Starts a server, loads it with each model of the registry at a fixed rate, and compares "
        "the p99 with the budget in the model's manifest. Exits with 1 when one is over it in three rounds, "
        "or any request fails. Writes guard.json and guard.md.",
    )
    _add_common(parser)
    parser.add_argument("--seconds", type=_count, default=4, metavar="N", help="measured (default: 4)")
    parser.add_argument("--rate", type=_positive, default=100.0, metavar="R", help="requests/s (100)")
    parser.add_argument("--budget-ms", type=_positive, metavar="X", help="instead of the manifests' budgets")
    parser.add_argument(
        "--together", action="store_true", help="also beside batches, and while models are switched"
    )
    parser.set_defaults(run=guard)


def _add_table(commands: Any) -> None:
    parser = commands.add_parser(
        "table",
        help="measure what the README says of each model, and write it there",
        description="Measures each model over HTTP, one row at a time on one connection. Writes models.json "
        "and models.md; with --readme also the part of that page between its markers.",
    )
    _add_common(parser)
    parser.add_argument("--requests", type=_count, default=2000, metavar="N", help="per model (2000)")
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--readme", type=Path, metavar="FILE", help="write the table into this page")
    only_check = "measure nothing; fail unless the page says what models.json says"
    page.add_argument("--check", type=Path, metavar="FILE", help=only_check)
    parser.set_defaults(run=_table)


def _table(arguments: argparse.Namespace, command: str) -> int:
    return (check if arguments.check else measure)(arguments, command)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--registry", default=SHIPPED_REGISTRY, metavar="DIR", help="registry root (default: the shipped one)"
    )
    parser.add_argument("--models", type=_names, default=[], metavar="A,B", help="only these (default: all)")
    parser.add_argument(
        "--workers", type=_count, default=2, metavar="N", help="server processes (default: 2)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="(default: %(default)s)")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, came {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, came {text!r}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
