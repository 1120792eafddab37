"""The side of switching that decides: lives in the main process, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from registry.errors import RegistryError
from server import counters, plan
from server.errors import ReloadRefused, ServerError, SettingsError
from server.plan import Plan
from server.settings import Resolved, check_override
from server.switching import messages
from server.switching.messages import (
    Abort,
    Answer,
    Commit,
    Committed,
    Hello,
    Message,
    NotReloaded,
    Prepare,
    Prepared,
    Refused,
    Reload,
    Reloaded,
    Up,
    Welcome,
)
from server.switching.peer import Gone, Peer, check_user
from server.switching.state import Remembered, State

log = logging.getLogger("mps")
T = TypeVar("T")

EXIT_GRACE_S = 0.25
"""A process closes its connection a moment before it is gone."""
SEAT_POLL_S = 0.05
COMMIT_DEADLINE_S = 5.0
"""A commit is one assignment; a worker that does not confirm it by then is killed."""
JOIN_RETRY_S = 2.0
"""Pause before a worker that could not load what is committed tries again."""

Resolver = Callable[[Mapping[str, Any]], Resolved]
"""Reads all layers of the settings with the given override."""


async def _apart(work: Callable[[], T]) -> T:
    """Run in a thread that holds up neither the loop nor the end of the process when a disk hangs."""
    done: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(done)


class Supervisor:
    """Knows the workers, decides generations, remembers them on disk."""

    def __init__(self, resolver: Resolver, state: State, on_fatal: Callable[[], None]) -> None:
        """Resolve the settings and draw the first plan.

        Args:
            resolver: reads the settings.
            state: what outlives the process.
            on_fatal: called when no worker can start; ``fatal`` then says why.

        Raises:
            SettingsError, RegistryError: the server cannot start like this.
        """
        self._resolver = resolver
        self._state = state
        remembered = state.load()
        self._override = remembered.override
        try:
            self._start = resolver(self._override)
            self.committed: Plan = plan.draw(self._start, remembered.generation + 1)
        except SettingsError as error:
            if not self._override:
                raise
            raise SettingsError(f"{error} (there is a run-time override: {state.hint()})") from None
        self.fatal: str | None = None
        self._on_fatal = on_fatal
        self._members: set[Peer] = set()
        self._up: set[Peer] = set()
        self._seats = set(range(self._start.settings.workers))
        self._attempts = 0
        self.has_served = False
        self._all_up = asyncio.Event()  # stays set: later a missing worker is one that died
        self._single_flight = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> str:
        """Start the thread; returns the address that workers connect to once it is there.

        The address is an abstract one: it is in no folder, so nobody can tidy it away.
        """
        self._address = f"\0mps-{os.getpid()}-{secrets.token_hex(8)}"
        self._counters = counters.create(len(self._seats))
        self._remember_start()
        listening = threading.Event()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._main(listening)), name="supervisor", daemon=True
        )
        thread.start()
        listening.wait()
        return self._address

    def reload_soon(self, *_: object) -> None:
        """Read configuration and registry again, from a signal handler."""
        asyncio.run_coroutine_threadsafe(self._outcome(Reload({}, False)), self._loop)

    def _remember_start(self) -> None:
        if self._override:
            log.warning("set at run time and still in force: %s", self._override)
        try:
            self._state.save(Remembered(self.committed.generation, self._override))
        except OSError as error:
            log.warning("the state folder cannot be written (%s): reloads will be refused", error.strerror)

    async def _main(self, listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(
            self._connected, self._address, limit=messages.MAX_LINE_BYTES
        )
        listening.set()
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            check_user(writer)
            first = messages.decode_from_worker(await reader.readline())
            if isinstance(first, Reload):
                writer.write(messages.line(await self._outcome(first)))
                await writer.drain()
            elif isinstance(first, Hello):
                await self._attend(first, reader, writer)
        except Exception:
            log.exception("a control connection failed")
        finally:
            writer.close()

    # -- workers ----------------------------------------------------------------------------------

    async def _attend(self, hello: Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep one worker's connection from its first to its last line."""
        member = Peer(hello.pid, writer)
        seat = await self._take_seat()
        member.tell(Welcome(seat, str(self._counters)))
        joining = self._spawn(self._join(member))
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
            self._members.discard(member)
            self._up.discard(member)
            self._seats.add(seat)

    async def _take_seat(self) -> int:
        """The lowest free one. A replacement may be here before its predecessor's seat is free."""
        while not self._seats:
            await asyncio.sleep(SEAT_POLL_S)
        seat = min(self._seats)
        self._seats.discard(seat)
        return seat

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return task

    async def _join(self, member: Peer) -> None:
        """Bring a new worker to what is committed, however often that changes meanwhile."""
        try:
            while member not in self._members:
                target = self.committed
                answer = await member.ask(attempt := self._prepare(target))
                if isinstance(answer, Refused):
                    await self._join_failed(member, answer)
                    continue
                async with self._single_flight:  # no reload is under way: what is committed stays
                    if self.committed is target:
                        async with asyncio.timeout(COMMIT_DEADLINE_S):
                            await member.ask(Commit(attempt.attempt))
                        self._members.add(member)
                        log.info("worker %d serves generation %d", member.pid, target.generation)
        except Gone:
            log.warning("worker %d left while it was joining", member.pid)
        except TimeoutError:
            await member.end()

    def _note_up(self, member: Peer) -> None:
        self.has_served = True
        self._up.add(member)
        settings = self._start.settings
        if len(self._up) == settings.workers and not self._all_up.is_set():
            self._all_up.set()
            host = "localhost" if settings.api_host in ("0.0.0.0", "::") else settings.api_host
            log.info("all %d worker(s) up; try http://%s:%d/docs", settings.workers, host, settings.api_port)

    async def _join_failed(self, member: Peer, answer: Refused) -> None:
        if self.has_served:
            log.error("worker %d cannot join: %s; it tries again", member.pid, answer.reason)
            await asyncio.sleep(JOIN_RETRY_S)
        else:
            self.fatal = answer.reason
            self._on_fatal()
            await asyncio.Event().wait()  # until the server, and this loop with it, ends

    def _prepare(self, target: Plan) -> Prepare:
        self._attempts += 1
        return Prepare(self._attempts, target)

    # -- reloads ----------------------------------------------------------------------------------

    async def _outcome(self, request: Reload) -> Reloaded | NotReloaded:
        try:
            async with self._turn():
                done = await self._reload(request)
        except (ServerError, RegistryError) as error:
            log.warning("reload refused: %s", error)
            return NotReloaded(str(error), isinstance(error, SettingsError))
        except Exception as error:
            log.exception("reload failed")
            return NotReloaded(f"unexpected {type(error).__name__}; the server's log says more", False)
        log.info("reload done: %s", done)
        return done

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One reload at a time, once all workers are up; who waits longer than one may take is refused."""
        deadline_ms = self.committed.resolved.settings.reload_deadline_ms
        holdup = "the workers are not all up"
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await self._all_up.wait()
                holdup = "another reload is under way"
                await self._single_flight.acquire()
        except TimeoutError:
            raise ReloadRefused(f"{holdup}, still so after {deadline_ms} ms; try again") from None
        try:
            yield
        finally:
            self._single_flight.release()

    async def _reload(self, request: Reload) -> Reloaded:
        check_override(request.change)
        merged = {**self._override, **request.change}
        override = {name: value for name, value in merged.items() if value is not None}
        now = self.committed
        new = await self._draw(override, now)
        plan.check_follows(now, new, request.allow_signature_change)
        attempt = self._prepare(new)
        await self._prepare_everywhere(attempt)
        await self._remember(attempt, override)
        self._override, self.committed = override, new  # from here on the switch has happened
        await self._commit_everywhere(attempt)
        champion = new.champion
        return Reloaded(
            new.generation, champion.name, champion.version, len(self._members), new.resolved.needs_restart
        )

    async def _draw(self, override: dict[str, Any], now: Plan) -> Plan:
        """In a thread, and not for ever: configuration and registry may lie on a disk that hangs."""

        def draw() -> Plan:
            resolved = self._resolver(override).keep_fixed(self._start)
            return plan.draw(resolved, now.generation + 1, now.series)

        deadline_ms = now.resolved.settings.reload_deadline_ms
        try:
            return await asyncio.wait_for(_apart(draw), deadline_ms / 1000)
        except TimeoutError:
            raise ReloadRefused(f"configuration and registry were not read within {deadline_ms} ms") from None

    async def _prepare_everywhere(self, attempt: Prepare) -> None:
        deadline_ms = self.committed.resolved.settings.reload_deadline_ms
        asked = await self._ask_all(attempt, deadline_ms / 1000)
        for member, answer in asked.items():
            if isinstance(answer, TimeoutError):
                self._spawn(self._end_unless_heard(member, attempt.attempt, deadline_ms / 1000))
        answers = asked.values()
        refusals = [answer.reason for answer in answers if isinstance(answer, Refused)]
        late = sum(isinstance(answer, TimeoutError) for answer in answers)
        if late:
            refusals.append(f"{late} of {len(answers)} workers did not prepare within {deadline_ms} ms")
        elif not any(isinstance(answer, Prepared) for answer in answers):
            refusals.append("no worker is up to prepare it")
        if refusals:
            self._tell_all(Abort(attempt.attempt))
            raise ReloadRefused(refusals[0])

    async def _end_unless_heard(self, member: Peer, attempt: int, deadline_s: float) -> None:
        """A worker that hangs in a preparation long given up would hold up every later one."""
        await asyncio.sleep(deadline_s)
        if member.latest < attempt:
            await member.end()

    async def _remember(self, attempt: Prepare, override: dict[str, Any]) -> None:
        try:
            remembered = Remembered(attempt.plan.generation, override)
            await _apart(lambda: self._state.save(remembered))
        except OSError as error:
            self._tell_all(Abort(attempt.attempt))
            raise ReloadRefused(f"the state folder cannot be written: {error.strerror}") from None

    async def _commit_everywhere(self, attempt: Prepare) -> None:
        """Nobody that may serve the old generation is alive when this returns."""
        answers = await self._ask_all(Commit(attempt.attempt), COMMIT_DEADLINE_S)
        for member, answer in answers.items():
            if not isinstance(answer, Committed):
                await member.end()
                self._members.discard(member)

    async def _ask_all(
        self, message: Prepare | Commit, deadline_s: float
    ) -> dict[Peer, Answer | BaseException]:
        """Each member's answer, or why there is none: ``Gone`` or ``TimeoutError``."""
        members = list(self._members)
        asked = [asyncio.wait_for(member.ask(message), deadline_s) for member in members]
        return dict(zip(members, await asyncio.gather(*asked, return_exceptions=True), strict=True))

    def _tell_all(self, message: Message) -> None:
        for member in self._members:
            member.tell(message)
