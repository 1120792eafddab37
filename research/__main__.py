"""``mps research``: train the models, compare them, keep the journal's figures fresh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from research.claims.command import add_claims, claims
from research.exactness.command import add_exactness, exactness
from research.experiments import EXPERIMENTS
from research.iris import dataset, write_csv
from research.production.command import add_measure, measure
from research.report import ReportError, refresh, rewrite, table
from research.study.command import add_study, study
from research.study.errors import StudyError
from research.training import train

HOME = Path(__file__).parent
JOURNAL = "EXPERIMENTS_JOURNEY.md"


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit)."""
    args = _parser().parse_args(argv)
    try:
        commands = {
            "train": _train,
            "study": study,
            "claims": claims,
            "measure": measure,
            "report": _report,
            "exactness": exactness,
            "list": _list,
        }
        return commands[args.command](args)
    except (ReportError, StudyError) as error:
        print(f"mps research: {error}", file=sys.stderr)
    except OSError as error:
        print(f"mps research: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mps research", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="fit and evaluate; writes models/, results/ and iris.csv")
    everything = f"default: {' '.join(EXPERIMENTS)}"
    training.add_argument("names", nargs="*", metavar="NAME", type=_known, help=everything)
    commands.add_parser("list", help="the experiments, one line each")
    report = commands.add_parser("report", help=f"write {JOURNAL} and reports/ again from the kept figures")
    add_study(commands)
    add_claims(commands)
    add_measure(commands)
    add_exactness(commands)
    for command in (training, report):
        command.add_argument("--out", type=Path, default=HOME, metavar="DIR", help="default: %(default)s")
    return parser


def _known(name: str) -> str:
    if name not in EXPERIMENTS:
        raise argparse.ArgumentTypeError(f"no experiment {name!r}; there are: {', '.join(EXPERIMENTS)}")
    return name


def _train(args: argparse.Namespace) -> int:
    data = dataset()
    names = args.names or list(EXPERIMENTS)
    cards = {name: train(EXPERIMENTS[name], data, args.out) for name in names}
    write_csv(data, args.out / "iris.csv")
    print(table(cards))
    return 0


def _list(args: argparse.Namespace) -> int:
    for name, experiment in EXPERIMENTS.items():
        print(f"{name:<14} {experiment.description}")
    return 0


def _report(args: argparse.Namespace) -> int:
    page = args.out / JOURNAL
    refresh(args.out)
    rewrite(page, args.out)
    print(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
