"""``mps research claims``: gather what the study of iris does not ask, and judge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from research.claims import accuracy, page
from research.claims.claim import Claim
from research.claims.evidence import Evidence, gather
from research.claims.plots import plot
from research.study import specification
from research.study.command import PAGE, REPORTS, read_results
from research.study.errors import StudyError
from research.study.results import encoded
from research.study.running import candidates

EVIDENCE = "evidence.json"
IRIS, CLAIMS = "iris", "claims"


def add_claims(commands: Any) -> None:
    """The subcommand, with what it can be told."""
    parser = commands.add_parser(
        "claims", help="hold what was claimed of accuracy against figures; writes reports/claims"
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=REPORTS,
        metavar="DIR",
        help="folder of the reports, that of iris among them (default: %(default)s)",
    )


def claims(args: argparse.Namespace) -> int:
    """Gather, judge, write.

    Raises:
        StudyError: the study of iris was not run.
        OSError: a file cannot be written.
    """
    read_results(args.reports / IRIS)  # refuse before it takes long
    path = specification.find(IRIS)
    out = args.reports / CLAIMS
    out.mkdir(parents=True, exist_ok=True)
    (out / EVIDENCE).write_bytes(encoded(gather(candidates(specification.read(path), path.parent))))
    print(page.claim_table(write(args.reports)))
    return 0


def write(reports: Path) -> list[Claim]:
    """Judge, and write page and plots, from what was written before."""
    out = reports / CLAIMS
    iris, evidence = read_results(reports / IRIS), read_evidence(out)
    found = accuracy.claims(iris, evidence)
    plot(evidence, accuracy.differences(iris, evidence), out)
    (out / PAGE).write_text(page.page(found, evidence), "utf-8")
    return found


def read_evidence(out: Path) -> Evidence:
    """What ``claims`` gathered.

    Raises:
        StudyError: there is nothing, or something else.
    """
    file = out / EVIDENCE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Evidence)
    except OSError as error:
        raise StudyError(f"{file} cannot be read: {error.strerror}; run: mps research claims") from None
    except msgspec.MsgspecError as error:
        raise StudyError(f"{file} holds no evidence: {error}; run: mps research claims") from None
