"""Writes what was found: for programs, for people, and as a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import msgspec
from matplotlib.figure import Figure

from bench.plot import save


class Findings(Protocol):
    """The result of a command."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What was answered wrong."""

    def markdown(self) -> str:
        """The whole report."""

    def figure(self) -> Figure:
        """The same, drawn."""


def publish(findings: Findings, out: Path, name: str) -> int:
    """Print, and write ``name.json``, ``name.md`` and ``name.svg`` to a folder that is made if need be.

    Returns:
        The exit code: 0 done, 1 something was answered wrong, which is told on stderr.
    """
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(findings), indent=1)
    (out / f"{name}.json").write_bytes(encoded + b"\n")
    (out / f"{name}.md").write_text(findings.markdown(), "utf-8")
    save(findings.figure(), out / f"{name}.svg")
    print(findings.markdown(), end="")
    for fault in findings.faults:
        print(fault, file=sys.stderr)
    return 1 if findings.faults else 0
