"""Starts load generators on their cores, and brings their timings home."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar

from bench.load.cores import pinned
from bench.load.generator import Generator
from bench.load.spec import Load, Timings

HEAD_START_S = 0.1
"""For several processes to hear of the time to begin at, and to connect."""
Key = TypeVar("Key", bound=Hashable)


def drive(load: Load, cores: Collection[int]) -> Timings:
    """Load a server once, from one process.

    Raises:
        LoadFailed: it left no timings; with what it said.
    """
    return drive_together([load], cores)[0]


def drive_together(loads: Sequence[Load], cores: Collection[int]) -> list[Timings]:
    """Load a server from several processes that begin at the same moment, so that none holds up another.

    Args:
        loads: one for each process.
        cores: where they run.

    Raises:
        LoadFailed: one left no timings; with what it said.
    """
    with ExitStack() as stack, pinned(cores):
        generators = [stack.enter_context(Generator(load)) for load in loads]
        start_s = time.monotonic() + (HEAD_START_S if len(loads) > 1 else 0)
        for generator in generators:
            generator.begin(start_s)
        return [generator.timings() for generator in generators]


def interleaved(loads: Mapping[Key, Load], rounds: int, cores: Collection[int]) -> dict[Key, list[Timings]]:
    """A B C A B C …, so that what disturbs the machine for a while disturbs everybody.

    Args:
        loads: by whatever tells them apart.
        rounds: how many. Many short ones tell more than a few long ones.
        cores: where the load generators run; they take turns there.

    Returns:
        The timings of each load, one for each round.

    Raises:
        LoadFailed: a load generator left no timings.
    """
    timings: dict[Key, list[Timings]] = {key: [] for key in loads}
    with ExitStack() as stack, pinned(cores):
        generators = {key: stack.enter_context(Generator(load)) for key, load in loads.items()}
        for _ in range(rounds):
            for key, generator in generators.items():
                generator.begin(time.monotonic())
                timings[key].append(generator.timings())
    return timings
