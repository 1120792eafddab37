"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from server.settings import SHIPPED_REGISTRY

RESULTS = Path("bench/results")
Commands = Any
"""What ``add_subparsers`` returns; argparse has no public name for it."""


def add_out(parser: argparse.ArgumentParser) -> None:
    """Where results go."""
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="(default: %(default)s)")


def add_models(parser: argparse.ArgumentParser) -> None:
    """Which models of which registry."""
    parser.add_argument(
        "--registry", default=SHIPPED_REGISTRY, metavar="DIR", help="registry root (default: the shipped one)"
    )
    parser.add_argument("--models", type=names, default=[], metavar="A,B", help="only these (default: all)")


def add_rounds(parser: argparse.ArgumentParser, rounds: int, seconds: float, warm_up_s: float) -> None:
    """How long to measure, with this command's defaults."""
    parser.add_argument("--rounds", type=count, default=rounds, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--seconds", type=positive, default=seconds, metavar="S", help="measured each time (%(default)s)"
    )
    parser.add_argument(
        "--warm-up", type=positive, default=warm_up_s, metavar="S", help="seconds before (%(default)s)"
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Settings of our server."""
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of this server, in lower case and without MPS_; may be repeated",
    )


def names(text: str) -> list[str]:
    """Separated by commas."""
    return [name for name in text.split(",") if name]


def counts(text: str) -> list[int]:
    """Whole numbers above 0, separated by commas."""
    return [count(part) for part in text.split(",")]


def count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, came {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, came {text!r}")
    return value


def setting(text: str) -> tuple[str, str]:
    """``name=value``."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, came {text!r}")
    return name, value
