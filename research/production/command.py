"""``mps research measure``: what the models cost on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from research.claims.command import IRIS
from research.overview import studies
from research.production.choice import contenders
from research.production.claims import claims
from research.production.measured import Measured
from research.production.measuring import measure as measured_now
from research.production.measuring import read
from research.production.page import cost_table, page
from research.production.plots import plot
from research.study.command import PAGE, read_results
from research.study.results import Results

HOME = Path(__file__).parent.parent
MEASURED = Path("results") / "measured.json"
REPORTS, PRODUCTION = "reports", "production"


def add_measure(commands: Any) -> None:
    """The subcommand, with what it can be told."""
    parser = commands.add_parser(
        "measure",
        help="latency and memory of the iris models, in their library and as ONNX; writes "
        "results/measured.json and reports/production",
    )
    parser.add_argument("--again", action="store_true", help="also where the same was measured before")
    parser.add_argument("--out", type=Path, default=HOME, metavar="DIR", help="default: %(default)s")


def measure(args: argparse.Namespace) -> int:
    """Measure what is not known, write, tell.

    Raises:
        StudyError: something that is needed was not made yet.
        OSError: a file cannot be written.
    """
    read_results(args.out / REPORTS / IRIS)  # refuse before it takes long
    _, fresh = measured_now(args.out, args.out / MEASURED, again=args.again)
    found, iris = write(args.out)
    print(cost_table(contenders(found, iris)))
    print(
        "measured now" if fresh else "models, machine and versions are the same: nothing was measured again"
    )
    return 0


def write(home: Path) -> tuple[Measured, Results]:
    """Page and plot from what was written before."""
    found, iris = read(home / MEASURED), read_results(home / REPORTS / IRIS)
    out = home / REPORTS / PRODUCTION
    out.mkdir(parents=True, exist_ok=True)
    models = contenders(found, iris)
    plot(models, out)
    (out / PAGE).write_text(page(found, models, claims(found), studies(home / REPORTS)), "utf-8")
    return found, iris
