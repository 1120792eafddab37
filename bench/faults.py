"""What went wrong under a load, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from bench.load.spec import REFUSED, Timings


def faults(what: str, timings: Sequence[Timings], may_refuse: bool = False) -> list[str]:
    """A line for each of the first few of a round; nothing when every answer was right.

    Args:
        what: named in each line.
        timings: of its rounds.
        may_refuse: answers with status 503 are in order.
    """
    found = []
    for run in timings:
        found += [f"{what}: {fault}" for fault in run.faults]
        if run.failures > len(run.faults):
            found.append(f"{what}: {run.failures - len(run.faults)} failures more")
        if not may_refuse and run.statuses.get(REFUSED):
            found.append(f"{what}: {run.statuses[REFUSED]} requests were refused with status {REFUSED}")
    if not any(run.accepted for run in timings):
        found.append(f"{what}: no right answer in any round")
    return found
