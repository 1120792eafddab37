"""The workers as the main process knows them: who is here, who has joined, and how all are asked at once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from server.errors import ReloadRefused
from server.plan import Plan
from server.switching import messages
from server.switching.messages import (
    Abort,
    Answer,
    Commit,
    Committed,
    Hello,
    Prepare,
    Prepared,
    Refused,
    Up,
    Welcome,
)
from server.switching.peer import Gone, Peer

log = logging.getLogger("mps")

EXIT_GRACE_S = 0.25
"""A process closes its connection a moment before it is gone."""
SEAT_POLL_S = 0.05
COMMIT_DEADLINE_S = 5.0
"""A commit is one assignment; a worker that does not confirm it by then is killed."""
JOIN_RETRY_S = 2.0
"""Pause before a worker that could not load what is committed tries again."""


class Workers:
    """Members serve what is committed; others are on their way there."""

    def __init__(self, seats: int, counters: Path, on_fatal: Callable[[str], None]) -> None:
        """Nobody is here yet.

        Args:
            seats: how many there are to be.
            counters: the file that holds their counters.
            on_fatal: told why, when no worker can start.
        """
        self.members: set[Peer] = set()
        """They serve what is committed."""
        self.up: set[Peer] = set()
        self.has_served = False
        self.all_up = asyncio.Event()
        """Stays set: later a missing worker is one that died."""
        self.steady = asyncio.Lock()
        """Whoever holds it knows that what is committed stays, or is the one that changes it."""
        self.free_seats = set(range(seats))
        self.at_once = max(len(os.sched_getaffinity(0)) // 2, 1)
        """Workers that load at the same time: a large model takes a processor for a while, and requests need
        some, too."""
        self._seats, self._counters, self._on_fatal = seats, str(counters), on_fatal
        self._attempts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def attend(
        self,
        hello: Hello,
        committed: Callable[[], Plan],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Keep one worker's connection from its first to its last line."""
        member = Peer(hello.pid, writer)
        seat = await self._take_seat()
        member.tell(Welcome(seat, self._counters))
        joining = self._spawn(self._join(member, committed))
        try:
            while text := await reader.readline():
                said = messages.decode_from_worker(text)
                if isinstance(said, Up):
                    self._note_up(member)
                else:
                    assert isinstance(said, Answer), "a worker answers, and says that it is up"
                    member.heard(said)
        except ConnectionError:
            pass  # killed while something was on the way to it
        finally:
            joining.cancel()
            member.heard(None)
            await member.end(EXIT_GRACE_S)  # stays a member until it is surely gone: a reload must know of it
            self.members.discard(member)
            self.up.discard(member)
            self.free_seats.add(seat)

    async def _take_seat(self) -> int:
        """The lowest free one. A replacement may be here before its predecessor's seat is free."""
        while not self.free_seats:
            await asyncio.sleep(SEAT_POLL_S)
        seat = min(self.free_seats)
        self.free_seats.discard(seat)
        return seat

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return task

    async def _join(self, member: Peer, committed: Callable[[], Plan]) -> None:
        """Bring a new worker to what is committed, however often that changes meanwhile."""
        try:
            while member not in self.members:
                target = committed()
                answer = await member.ask(attempt := self.attempt(target))
                if isinstance(answer, Refused):
                    await self._join_failed(member, answer)
                    continue
                async with self.steady:
                    if committed() is target:
                        async with asyncio.timeout(COMMIT_DEADLINE_S):
                            await member.ask(Commit(attempt.attempt))
                        self.members.add(member)
                        log.info("worker %d serves generation %d", member.pid, target.generation)
        except Gone:
            log.warning("worker %d left while it was joining", member.pid)
        except TimeoutError:
            await member.end()

    async def _join_failed(self, member: Peer, answer: Refused) -> None:
        if self.has_served:
            log.error("worker %d cannot join: %s; it tries again", member.pid, answer.reason)
            await asyncio.sleep(JOIN_RETRY_S)
        else:
            self._on_fatal(answer.reason)
            await asyncio.Event().wait()  # until the server, and this loop with it, ends

    def _note_up(self, member: Peer) -> None:
        self.has_served = True
        self.up.add(member)
        if len(self.up) == self._seats:
            self.all_up.set()

    # -- all at once ------------------------------------------------------------------------------

    def attempt(self, plan: Plan) -> Prepare:
        """A preparation of its own number, so that no late answer is taken for one to it."""
        self._attempts += 1
        return Prepare(self._attempts, plan)

    async def prepare(self, attempt: Prepare, deadline_ms: int) -> None:
        """Let every member load and prove a plan.

        Raises:
            ReloadRefused: one cannot, or not in time. All have been told to forget it.
        """
        turns = asyncio.Semaphore(self.at_once)

        async def ask(member: Peer) -> Answer:
            async with turns:
                return await member.ask(attempt)

        asked = await self._ask_all(ask, deadline_ms / 1000)
        for member, answer in asked.items():
            if isinstance(answer, TimeoutError) and member.asked == attempt.attempt:
                self._spawn(self._end_unless_heard(member, attempt.attempt, deadline_ms / 1000))
        answers = asked.values()
        refusals = [answer.reason for answer in answers if isinstance(answer, Refused)]
        late = sum(isinstance(answer, TimeoutError) for answer in answers)
        if late:
            refusals.append(f"{late} of {len(answers)} workers did not prepare within {deadline_ms} ms")
        elif not any(isinstance(answer, Prepared) for answer in answers):
            refusals.append("no worker is up to prepare it")
        if refusals:
            self.abort(attempt)
            raise ReloadRefused(refusals[0])

    async def _end_unless_heard(self, member: Peer, attempt: int, deadline_s: float) -> None:
        """A worker that hangs in a preparation long given up would hold up every later one."""
        await asyncio.sleep(deadline_s)
        if member.latest < attempt:
            await member.end()

    def abort(self, attempt: Prepare) -> None:
        """Let every member forget what it prepared."""
        for member in self.members:
            member.tell(Abort(attempt.attempt))

    async def commit(self, attempt: Prepare) -> int:
        """Nobody that may serve the old generation is alive when this returns.

        Returns:
            How many members serve the new one.
        """
        commit = Commit(attempt.attempt)
        answers = await self._ask_all(lambda member: member.ask(commit), COMMIT_DEADLINE_S)
        for member, answer in answers.items():
            if not isinstance(answer, Committed):
                await member.end()
                self.members.discard(member)
        return len(self.members)

    async def _ask_all(
        self, ask: Callable[[Peer], Awaitable[Answer]], deadline_s: float
    ) -> dict[Peer, Answer | BaseException]:
        """Each member's answer, or why there is none: ``Gone`` or ``TimeoutError``."""
        members = list(self.members)
        asked = [asyncio.wait_for(ask(member), deadline_s) for member in members]
        return dict(zip(members, await asyncio.gather(*asked, return_exceptions=True), strict=True))
