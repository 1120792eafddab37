"""What switching promises, and the answers that break it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec

from bench.answers import GENERATION, MODEL, header_fault
from bench.load.spec import Answer, Timings
from bench.samples import SHOWN_FAULTS
from bench.switcher import Reload

STATUS = "every answer has status 200"
ANSWERED = "no connection breaks, and no request stays without an answer"
BODY = "every body is that of the model in its headers, byte by byte"
NAMED = "every generation is the model that its reload named"
FLOOR = "no request that starts after a reload's 200 is answered by an older generation"
RELOADED = "every reload is answered with 200 and a generation of the model that it asked for"
PROMISES = (STATUS, ANSWERED, BODY, NAMED, FLOOR, RELOADED)
NEVER_SENT = "a request was never sent: no connection was free"
SHOWN_LETTERS = 120
"""Of a body."""


class Promise(msgspec.Struct, frozen=True):
    """One of them, and how often it was broken."""

    promise: str
    broken: int
    first: tuple[str, ...]
    """What the first few faults were; the warm-up is no excuse."""


def promises(
    timings: Timings, reloads: Sequence[Reload], refused: Sequence[str], expected: Mapping[str, str]
) -> tuple[Promise, ...]:
    """Each of them, held against all that was seen.

    Args:
        timings: of a load that was witnessed.
        reloads: that were acknowledged meanwhile, in order.
        refused: what was wrong with the others.
        expected: by model, the whole body of its answer.
    """
    found: dict[str, list[str]] = {promise: [] for promise in PROMISES}
    for promise, fault in broken(timings.answers, reloads, expected):
        found[promise].append(fault)
    found[RELOADED] += refused
    found[ANSWERED] += [*timings.faults, *[NEVER_SENT] * timings.unsent]
    counted = {promise: len(faults) for promise, faults in found.items()}
    counted[ANSWERED] = timings.failures + timings.unsent
    return tuple(
        Promise(promise, counted[promise], tuple(faults[:SHOWN_FAULTS])) for promise, faults in found.items()
    )


def broken(
    answers: Sequence[Answer], reloads: Sequence[Reload], expected: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """(promise, what is wrong) of every answer that breaks one; an answer may break several."""
    models = {reload.generation: reload.model for reload in reloads}
    acknowledged_s = [reload.acknowledged_s for reload in reloads]
    highest = list(accumulate((reload.generation for reload in reloads), max, initial=0))
    for answer in answers:
        # Those whose 200 was there before the request started: at the same moment is not before.
        floor = highest[bisect_left(acknowledged_s, answer.started_s)]
        yield from _broken(answer, floor, models, expected)


def _broken(
    answer: Answer, floor: int, models: Mapping[int, str], expected: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if answer.status != 200:
        yield STATUS, f"status {answer.status}: {answer.body[:SHOWN_LETTERS]}"
        return  # refusals need not say who refused
    fault = header_fault({GENERATION: answer.generation, MODEL: answer.model})
    if fault:
        yield NAMED, fault
        return
    if answer.body != expected.get(answer.model):
        yield BODY, f"{answer.model} answers {expected.get(answer.model)}, came {answer.body[:SHOWN_LETTERS]}"
    generation = int(answer.generation)
    if models.get(generation) != answer.model:
        named = models.get(generation, "of no reload")
        yield NAMED, f"generation {generation} is {named}, {answer.model} answered"
    if generation < floor:
        yield FLOOR, f"generation {generation} answered a request that started after {floor} was acknowledged"
