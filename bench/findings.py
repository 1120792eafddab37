"""Writes what was found: for programs, for people, and as a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import msgspec
from matplotlib.figure import Figure

from bench.plot import save


class Report(Protocol):
    """The result of a command."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What was answered wrong."""

    def markdown(self) -> str:
        """The whole report."""


class Findings(Report, Protocol):
    """One whose figures are all that its picture needs."""

    def figure(self) -> Figure:
        """The same, drawn."""


def publish(findings: Findings, out: Path, name: str) -> int:
    """Print, and write ``name.json``, ``name.md`` and ``name.svg`` to a folder that is made if need be.

    Returns:
        The exit code: 0 done, 1 something was answered wrong, which is told on stderr.
    """
    return publish_drawn(findings, findings.figure(), out, name)


def publish_drawn(report: Report, figure: Figure, out: Path, name: str) -> int:
    """The same for a report that does not hold all that is drawn."""
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (out / f"{name}.json").write_bytes(encoded + b"\n")
    (out / f"{name}.md").write_text(report.markdown(), "utf-8")
    save(figure, out / f"{name}.svg")
    print(report.markdown(), end="")
    for fault in report.faults:
        print(fault, file=sys.stderr)
    return 1 if report.faults else 0
