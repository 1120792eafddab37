"""Which processor cores serve and which load, so that neither is measured with the other's work."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Cores(NamedTuple):
    """A share of the cores for each side."""

    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Both sides use the same core: every figure is too low."""
        return not set(self.server).isdisjoint(self.load)

    def __str__(self) -> str:
        """For a report."""
        if self.shared:
            return f"server and load generator shared {_counted(set(self.server) | set(self.load))}"
        return f"server on {_counted(self.server)}, load generator on {_counted(self.load)}"


def split(wanted: int, available: Collection[int] | None = None) -> Cores:
    """So many cores for the server and the rest for the load; all for both where there are not enough.

    Args:
        wanted: of the server; one for each worker.
        available: core numbers; None: those that this process may use.
    """
    cores = sorted(os.sched_getaffinity(0) if available is None else available)
    if len(cores) <= wanted:
        return Cores(tuple(cores), tuple(cores))
    return Cores(tuple(cores[:wanted]), tuple(cores[wanted:]))


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Processes that this thread starts in the block stay on these cores; they inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _counted(cores: Collection[int]) -> str:
    return f"{len(cores)} core{'s' if len(cores) > 1 else ''}"
