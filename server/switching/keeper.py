"""What the supervisor does unasked: watches for changes, takes bad variants out, takes rollouts on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from server.counters import MAX_SERIES, OUT_OF_TIME, PREDICT
from server.errors import ReloadRefused
from server.plan import Plan
from server.seen import FAILED, Seen
from server.switching import decisions
from server.switching.apart import apart
from server.switching.messages import NotReloaded, Reload
from server.switching.state import Remembered
from server.switching.watch import RETRY_S, Sight, Watch, look
from server.traffic import Variant

if TYPE_CHECKING:
    from server.switching.supervisor import Supervisor

log = logging.getLogger("mps")

TICK_S = 1.0
"""How often it looks; a reload is done at most so much later, and what it looks at is cheap."""
LOOK_S = 1.0
"""How long one look is waited for, before the next tick waits for it again."""


class Keeper:
    """One of each server, on the supervisor's loop."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Nothing is looked at yet."""
        self._supervisor = supervisor
        self._watch = Watch()
        self._judge = Judge(supervisor.counters.sums)
        self._not_before_s = 0.0
        self._step: object = None
        self._step_began_s = 0.0
        self._looking: asyncio.Task[Sight] | None = None

    async def run(self) -> None:
        """Until the server ends. A disk that hangs holds up what is watched, and nothing else."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_every_tick(self.look_for_changes))
            group.create_task(_every_tick(self.tend))

    async def tend(self) -> None:
        """Take a variant out that is over its limit, or take a rollout to its next step."""
        plan = self._supervisor.committed
        if not self._supervisor.workers.all_up.is_set() or time.monotonic() < self._not_before_s:
            return
        if found := self._judge.over_limit(plan):
            model, reason = found
            log.warning("variant %s leaves the split: %s", model, reason)
            await self._deal(plan, lambda now: decisions.without(now, model, reason, plan.routes))
        elif self._step_is_over(plan):
            await self._deal(plan, decisions.advanced)

    async def _deal(self, plan: Plan, decide: Callable[[Remembered], Remembered]) -> None:
        """Deal out the traffic of what is served anew, unless something else was decided meanwhile."""

        def if_it_stands(now: Remembered) -> Remembered:
            if self._supervisor.committed is not plan:
                raise ReloadRefused("another switch came first")
            return decide(now)

        outcome = await self._supervisor.deal(if_it_stands)
        if isinstance(outcome, NotReloaded) and self._supervisor.committed is plan:
            self._not_before_s = time.monotonic() + RETRY_S

    async def look_for_changes(self) -> None:
        """Reload when what a reload would read is other than what was read."""
        resolved = self._supervisor.committed.resolved
        if not resolved.settings.watch:
            return
        if self._looking is None:
            self._looking = asyncio.create_task(apart(lambda: look(resolved)))
        done, _ = await asyncio.wait([self._looking], timeout=LOOK_S)
        if not done:
            return  # a disk hangs: this very look is waited for, and no other begun
        look_task, self._looking = self._looking, None
        now = look_task.result()
        if self._watch.ripe(self._supervisor.applied, now):
            log.info("the configuration or the registry has changed")
            if isinstance(await self._supervisor.outcome(Reload({}, False)), NotReloaded):
                self._watch.refused()

    def _step_is_over(self, plan: Plan) -> bool:
        rollout = plan.traffic.rollout
        if rollout is None or rollout.ended:
            return False
        if self._step != (rollout.model, rollout.since):  # only what is committed is seen here
            self._step, self._step_began_s = (rollout.model, rollout.since), time.monotonic()
        return time.monotonic() - self._step_began_s >= rollout.hold_s


async def _every_tick(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        try:
            await work()
        except Exception:
            log.exception("the keeper failed; it goes on")


class Judge:
    """Whether a variant is over a limit, by its last requests."""

    def __init__(self, sums: Callable[[int], list[int]]) -> None:
        """``sums`` are the counters of a series, of all workers."""
        self._sums = sums
        self._split: object = None
        self._looks: dict[int, deque[tuple[float, list[int]]]] = {}

    def over_limit(self, plan: Plan) -> tuple[str, str] | None:
        """The first variant that is, beside the champion, and why; call it every second or so."""
        traffic, settings = plan.traffic, plan.resolved.settings
        if self._split != (traffic.split, traffic.since):
            self._split = (traffic.split, traffic.since)
            self._looks = {}
        for variant in traffic.split[:-1]:
            if variant.series == MAX_SERIES - 1:
                continue  # its counters are those of others, too
            seen = self._window(variant, settings.abort_window_s, traffic.since)
            if variant.slots and seen.requests >= settings.abort_min_requests:
                budget_ms = next(each.budget_ms for each in plan.models if each.reference == variant.model)
                limit_ms = settings.abort_p99_ms or budget_ms
                least = settings.abort_min_requests
                if reason := too_bad(seen, settings.abort_error_percent, limit_ms, least):
                    return variant.model, reason
        return None

    def _window(self, variant: Variant, window_s: int, since: dict[int, tuple[int, ...]]) -> Seen:
        now_s, cells = time.monotonic(), self._sums(variant.series)
        looks = self._looks.setdefault(variant.series, deque())
        if not looks:
            looks.append((now_s, list(since.get(variant.series) or [0] * len(cells))))
        looks.append((now_s, cells))
        while len(looks) > 2 and looks[1][0] <= now_s - window_s:
            looks.popleft()
        return Seen(cells, looks[0][1])


def too_bad(seen: Seen, error_percent: float, p99_ms: float, least: int = 1) -> str:
    """What is over its limit; empty: nothing is.

    Args:
        seen: at least one request.
        error_percent: limit of the share of failures. A deadline that could not be kept is none.
        p99_ms: limit of single rows, from body received to answer ready.
        least: single rows from which on a p99 says something.
    """
    failed = seen.with_status(FAILED) - seen.note(OUT_OF_TIME)
    if failed * 100 > error_percent * seen.requests:
        return f"{failed} of its last {seen.requests} requests failed (limit {error_percent:g} %)"
    single = sum(seen.histogram(PREDICT))
    slow = seen.slower(PREDICT, p99_ms)
    if single >= least and slow * 100 > single:
        return f"{slow} of its last {single} single rows took longer than {p99_ms:g} ms (limit 1 %)"
    return ""
