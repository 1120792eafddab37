"""``mps research study``: run shipped studies, or one of your own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from convert.sources.table import listing
from research.study import running, specification
from research.study.errors import StudyError
from research.study.keeping import keep
from research.study.page import page, scores
from research.study.plots import plot
from research.study.results import Results, encoded

REPORTS = Path(__file__).parent.parent / "reports"
RESULTS, PAGE = "results.json", "report.md"


def add_study(commands: Any) -> None:
    """The subcommand, with what it can be told."""
    parser = commands.add_parser(
        "study",
        help="validate families on a table; writes results.json, report.md, plots, models/, cards/, rows.csv",
        description="A study file says which rows, which families, which methods; research/studies has the "
        "shipped ones. With --list they are told and none is run.",
    )
    everything = f"a shipped study ({listing(specification.names())}), or a .toml file; default: all shipped"
    parser.add_argument("names", nargs="*", metavar="NAME|FILE", help=everything)
    parser.add_argument("--list", action="store_true", help="the shipped studies, one line each")
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="families at a time (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="one folder per study is made in it (default: research/reports of a shipped study, else the "
        "folder of the file)",
    )


def positive(text: str) -> int:
    """A positive number, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive number, came {text!r}")
    return int(text)


def study(args: argparse.Namespace) -> int:
    """Run and write.

    Raises:
        StudyError: a study cannot be run; those before it are written.
        OSError: a file cannot be written.
    """
    if args.list:
        for name in specification.names():
            print(f"{name:<14} {specification.read(specification.find(name)).about}")
        return 0
    paths = [specification.find(name) for name in args.names or specification.names()]
    for path in paths:
        default = REPORTS if path.parent == specification.SHIPPED else path.parent
        results = make(path, (args.out or default) / path.stem, args.jobs)
        metric = "accuracy" if results.classes else "r2"
        print(f"{results.title}: {metric}\n{scores(results, metric)}\n")
    return 0


def make(path: Path, out: Path, jobs: int = 1) -> Results:
    """Run one study file and write everything that it leaves behind; the results as they were written.

    Raises:
        StudyError: it cannot be run.
        OSError: a file cannot be written.
    """
    wanted = specification.read(path)
    entered = running.candidates(wanted, path.parent)
    out.mkdir(parents=True, exist_ok=True)
    found = running.run(path.stem, wanted, entered, lambda step: _say(f"{path.stem} {step}"), jobs)
    (out / RESULTS).write_bytes(encoded(found))
    keep(found, entered, out, wanted.data.target)
    return write_page(out)


def write_page(out: Path) -> Results:
    """Plots and page from the written results, so that both say what the file says."""
    results = read_results(out)
    (out / PAGE).write_text(page(results, plot(results, out)), "utf-8")
    return results


def read_results(out: Path) -> Results:
    """What a study wrote.

    Raises:
        StudyError: there is nothing, or something else.
    """
    file = out / RESULTS
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except OSError as error:
        raise StudyError(
            f"{file} cannot be read: {error.strerror}; run: mps research study {out.name}"
        ) from None
    except msgspec.MsgspecError as error:
        raise StudyError(f"{file} holds no results: {error}; run: mps research study {out.name}") from None


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)
