"""``mps research exactness``: examine kinds of model, keep the figures of docs/exactness.md fresh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from convert.proving.adversary import RANDOM_ROWS
from research.exactness.kinds import KINDS, Kind
from research.exactness.page import rewrite
from research.exactness.study import Case, Study, read, run, same_conditions, study, write
from research.report import ReportError

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent.parent / "docs" / "exactness.md"


def add_exactness(commands: Any) -> None:
    """The subcommand, with what it can be told."""
    parser = commands.add_parser(
        "exactness", help="hold every kind of model against its graph; writes docs/exactness.md"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="kinds whose name has this text; the figures of the others are kept",
    )
    parser.add_argument(
        "--table-only", action="store_true", help="examine nothing; write the page from what was found before"
    )
    parser.add_argument(
        "--random-rows", type=_positive, default=RANDOM_ROWS, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="default: %(default)s")


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive number, came {text!r}")
    return int(text)


def exactness(args: argparse.Namespace) -> int:
    """Examine, and write results and page; 1 when a kind misses its target."""
    kinds = [kind for kind in KINDS if args.only in kind.name]
    if not kinds:
        raise ReportError(f"no kind is called anything like {args.only!r}")
    try:
        before = read(args.results)
    except msgspec.MsgspecError as error:
        raise ReportError(f"{args.results} holds no results: {error}; remove it") from None
    names = {kind.name for kind in KINDS}
    examined = set() if args.table_only else {kind.name for kind in kinds}
    cases = [case for case in before.cases if case.kind in names - examined] if before else []
    if args.table_only and not before:
        raise ReportError(f"{args.results} does not exist; run without --table-only")
    if cases and before and not args.table_only and not same_conditions(before, args.random_rows):
        raise ReportError(
            f"the figures in {args.results} that would be kept are of {before.random_rows} random rows, of "
            "another machine or of other versions; run without --only"
        )
    found = before if before and args.table_only else _examine(cases, kinds, args)
    try:
        rewrite(args.page, found)
    except ValueError as error:
        raise ReportError(str(error)) from None
    missed = [f"{c.kind} on {c.table}" for c in found.cases if c.examination and not c.examination.met]
    print(f"{len(found.cases)} cases, {len(missed)} miss their target: {', '.join(missed) or 'none'}")
    return int(bool(missed))


def _examine(cases: list[Case], kinds: list[Kind], args: argparse.Namespace) -> Study:
    """Written after every case: it takes long, and nothing shall be lost."""
    found = study(cases, args.random_rows)
    for case in run(kinds, args.random_rows, _say):
        cases.append(case)
        found = study(cases, args.random_rows)
        write(found, args.results)
    return found


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)
