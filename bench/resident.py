"""Memory of running processes, from the kernel's own books."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self

import msgspec

from bench.errors import BenchError

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LINE = re.compile(r"^(Rss|Pss|Private_Dirty): +(\d+) kB$", re.MULTILINE)


class Resident(msgspec.Struct, frozen=True):
    """Of one process, or of several together, in bytes."""

    rss_bytes: int
    """In RAM; what several processes share is counted in each."""
    pss_bytes: int
    """In RAM; what several processes share is counted in each with its part, so that the sum is right."""
    own_bytes: int
    """Written by this process and shared with none. Does not depend on what else runs on the machine."""

    def __add__(self, other: Resident) -> Resident:
        """Of both."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Resident(*map(sum, zip(mine, theirs, strict=True)))

    @classmethod
    def of(cls, pid: int) -> Self:
        """Of a running process of this user.

        Raises:
            BenchError: it is gone, or this system does not tell.
        """
        file = PROC / str(pid) / "smaps_rollup"
        try:
            found = dict(LINE.findall(file.read_text("ascii")))
            return cls(*(int(found[name]) * 1024 for name in ("Rss", "Pss", "Private_Dirty")))
        except (OSError, KeyError) as error:
            raise BenchError(f"{file} does not say how much memory the process has: {error}") from None


def descendants(pid: int) -> list[int]:
    """Children of a process, theirs, and so on; those that end meanwhile are left out."""
    found: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        for child in _numbers(task):
            found += [child, *descendants(child)]
    return found


def started_s(pid: int) -> float:
    """When a process was started, in seconds since the machine was, to a hundredth.

    Raises:
        BenchError: it is gone.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError as error:
        raise BenchError(f"process {pid} is gone: {error.strerror}") from None
    return int(text.rpartition(")")[2].split()[19]) / TICKS_A_SECOND


def _numbers(file: Path) -> list[int]:
    try:
        return [int(number) for number in file.read_text("ascii").split()]
    except OSError:
        return []
