"""Times of short calls in this process, taken in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

from bench.spread import Spread

SAMPLE_NS = 200_000
"""One sample takes at least as long: reading the clock, 0.1 us, is lost in it."""
MAX_LOOPS = 1 << 20

Call = Callable[[], object]


def timed_us(calls: Mapping[str, Call], repeat: int) -> dict[str, Spread]:
    """Microseconds that each call takes, over ``repeat`` samples, at least 1.

    The calls take turns: whatever slows the machine down for a while slows all of them.
    """
    loops = {name: loops_for(call) for name, call in calls.items()}
    samples_us: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            samples_us[name].append(_sample_ns(call, loops[name]) / loops[name] / 1000)
    spreads = {name: Spread.of(found) for name, found in samples_us.items()}
    return {name: spread for name, spread in spreads.items() if spread is not None}


def loops_for(call: Call, sample_ns: int = SAMPLE_NS) -> int:
    """How often to call in one sample; the calls made to find that out are the warm-up."""
    loops = 1
    while _sample_ns(call, loops) < sample_ns and loops < MAX_LOOPS:
        loops *= 2
    return loops


def _sample_ns(call: Call, loops: int) -> int:
    turns = range(loops)
    started_ns = perf_counter_ns()
    for _ in turns:
        call()
    return perf_counter_ns() - started_ns
