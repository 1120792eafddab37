"""The side of switching that decides: lives in the main process, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from msgspec.structs import replace

from registry.errors import RegistryError
from server import counters, plan
from server.counters import Counters
from server.errors import ReloadRefused, ServerError, SettingsError
from server.plan import Past, Plan
from server.switching import decisions, messages
from server.switching.apart import apart
from server.switching.decisions import Resolver
from server.switching.keeper import Keeper
from server.switching.messages import (
    AbortRollout,
    Hello,
    Load,
    NotReloaded,
    Prepare,
    Reload,
    Reloaded,
    Request,
    StartRollout,
    Unload,
)
from server.switching.peer import check_user
from server.switching.state import Remembered, State, Writing
from server.switching.watch import Sight, look
from server.switching.workers import Workers
from server.traffic import Rollout

log = logging.getLogger("mps")

Decide = Callable[[Remembered], Remembered]
"""What is remembered to what is to be remembered; raises what the caller is told."""


class Drawn(NamedTuple):
    """What is to be served and remembered."""

    applied: Sight
    decided: Remembered
    plan: Plan


class Supervisor:
    """Decides generations, has all workers serve them, and remembers them on disk."""

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
        self._remembered = state.load()
        try:
            self._begin()
        except (SettingsError, RegistryError) as error:
            if not self._remembered.override:
                raise
            hint = f"{error} (there is a run-time override: {state.hint()})"
            raise SettingsError(hint) from None
        self.fatal: str | None = None
        self._on_fatal = on_fatal

    def _begin(self) -> None:
        """Draw the first plan. A rollout that cannot go on is over: its champion is served."""
        rollout = self._remembered.rollout
        try:
            self._draw_first()
        except (SettingsError, RegistryError) as error:
            if not decisions.under_way(rollout):
                raise
            log.error("the rollout cannot go on: %s", error)
            self._remembered = decisions.given_up(self._remembered, f"at the start: {error}", {})
            self._draw_first()

    def _draw_first(self) -> None:
        remembered = self._remembered
        self._start = self._resolver(remembered.override)
        self.applied = look(self._start)
        """What the committed generation was drawn from, or something older: read before it was drawn."""
        self._start = self._resolver(remembered.override)
        past = Past((), remembered.aborted, remembered.rollout)
        self.committed: Plan = plan.draw(self._start, remembered.generation + 1, past)

    @property
    def has_served(self) -> bool:
        """Whether a worker has ever been up."""
        return self.workers.has_served

    def run(self) -> str:
        """Start the thread; returns the address that workers connect to once it is there.

        The address is an abstract one: it is in no folder, so nobody can tidy it away.
        """
        self._address = f"\0mps-{os.getpid()}-{secrets.token_hex(8)}"
        seats = self._start.settings.workers
        shared = counters.create(seats)
        self.counters = Counters(shared, 0)
        """Read only: every seat is a worker's."""
        self.workers = Workers(seats, shared, self._give_up)
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
        asyncio.run_coroutine_threadsafe(self.outcome(Reload({}, False)), self._loop)

    def _give_up(self, reason: str) -> None:
        self.fatal = reason
        self._on_fatal()

    def _remember_start(self) -> None:
        if self._remembered.override:
            log.warning("set at run time and still in force: %s", self._remembered.override)
        self._remembered = replace(self._remembered, generation=self.committed.generation)
        try:
            self._state.save(self._remembered)
        except OSError as error:
            log.warning("the state folder cannot be written (%s): reloads will be refused", error.strerror)

    async def _main(self, listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(
            self._connected, self._address, limit=messages.MAX_LINE_BYTES
        )
        listening.set()
        async with server, asyncio.TaskGroup() as group:
            group.create_task(Keeper(self).run())
            group.create_task(self._greet())
            await server.serve_forever()

    async def _greet(self) -> None:
        """Say once that everything is up."""
        await self.workers.all_up.wait()
        settings = self._start.settings
        host = "localhost" if settings.api_host in ("0.0.0.0", "::") else settings.api_host
        log.info("all %d worker(s) up; try http://%s:%d/docs", settings.workers, host, settings.api_port)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            check_user(writer)
            first = messages.decode_from_worker(await reader.readline())
            if isinstance(first, Request):
                writer.write(messages.line(await self.outcome(first)))
                await writer.drain()
            elif isinstance(first, Hello):
                await self.workers.attend(first, lambda: self.committed, reader, writer)
        except Exception:
            log.exception("a control connection failed")
        finally:
            writer.close()

    # -- switching --------------------------------------------------------------------------------

    async def outcome(self, request: Request) -> Reloaded | NotReloaded:
        """Do what an endpoint asks for, or say why not."""
        match request:
            case Reload(change, allow):
                return await self.switch(lambda now: decisions.reloaded(now, change), allow)
            case StartRollout():
                return await self.switch(lambda now: self._started(now, request))
            case Load(model):
                return await self.switch(lambda now: decisions.loaded(now, model, self.committed))
            case Unload(model):
                return await self.switch(lambda now: decisions.unloaded(now, model, self.committed))
            case AbortRollout():
                return await self.deal(
                    lambda now: decisions.given_up(now, "on request", self.committed.routes)
                )

    async def switch(self, decide: Decide, allow_signature_change: bool = False) -> Reloaded | NotReloaded:
        """Read everything anew, and have every worker serve what a decision leads to."""

        async def draw() -> Drawn:
            drawn = await self._draw(decide, self.committed)
            plan.check_follows(self.committed, drawn.plan, allow_signature_change)
            return drawn

        return await self._carry_out(draw)

    async def deal(self, decide: Decide) -> Reloaded | NotReloaded:
        """Have every worker deal the traffic out as decided, among the models that it has.

        Nothing is read: what nobody looks after must not depend on a file that somebody is editing.
        """

        async def draw() -> Drawn:
            now, before = self.committed, self._remembered
            decided = decide(before)
            resolved = now.resolved
            if before.rollout and not before.rollout.ended:
                resolved = decisions.dealt(decided, before.rollout, resolved)
            new = plan.redeal(now, resolved, Past((), decided.aborted, decided.rollout))
            return self._drawn(self.applied, decided, new)

        return await self._carry_out(draw)

    async def _carry_out(self, draw: Callable[[], Awaitable[Drawn]]) -> Reloaded | NotReloaded:
        """Whatever fails, nothing has changed then."""
        try:
            async with self._turn():
                done = await self._serve(await draw())
        except (ServerError, RegistryError) as error:
            log.warning("refused: %s", error)
            return NotReloaded(str(error), isinstance(error, SettingsError))
        except Exception as error:
            log.exception("a switch failed")
            return NotReloaded(f"unexpected {type(error).__name__}; the server's log says more", False)
        log.info("done: %s", done)
        return done

    def _started(self, now: Remembered, request: StartRollout) -> Remembered:
        decisions.checked(request.steps, request.hold_s)
        settings = self.committed.resolved.settings
        model = plan.reference(settings, "model", request.model)
        if model == self.committed.champion.reference:
            raise SettingsError(f"model: {model} is the champion already")
        rollout = Rollout(
            champion=settings.model_type,
            champion_source=self.committed.resolved.sources["model_type"],
            champion_model=self.committed.champion.reference,
            model=model,
            steps=request.steps,
            hold_s=request.hold_s,
            step=0,
            since=decisions.utc_now(),
        )
        return decisions.started(now, rollout, settings.split)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One reload at a time, once all workers are up; who waits longer than one may take is refused."""
        deadline_ms = self.committed.resolved.settings.reload_deadline_ms
        holdup = "the workers are not all up"
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await self.workers.all_up.wait()
                holdup = "another reload is under way"
                await self.workers.steady.acquire()
        except TimeoutError:
            raise ReloadRefused(f"{holdup}, still so after {deadline_ms} ms; try again") from None
        try:
            yield
        finally:
            self.workers.steady.release()

    async def _serve(self, drawn: Drawn) -> Reloaded:
        new = drawn.plan
        attempt = self.workers.attempt(new)
        await self.workers.prepare(attempt, self.committed.resolved.settings.reload_deadline_ms)
        await self._remember(attempt, drawn.decided)
        self._remembered, self.committed = drawn.decided, new  # from here on the switch has happened
        self.applied = drawn.applied
        workers = await self.workers.commit(attempt)
        champion = new.champion
        return Reloaded(new.generation, champion.name, champion.version, workers, new.resolved.needs_restart)

    async def _draw(self, decide: Decide, now: Plan) -> Drawn:
        """In a thread, and not for ever: configuration and registry may lie on a disk that hangs."""

        def draw() -> Drawn:
            applied = look(now.resolved)
            decided = decide(self._remembered)
            if decisions.under_way(decided.rollout):
                decisions.check_no_other_split(self._resolver, decided)
            resolved = self._resolver(decided.override).keep_fixed(self._start)
            past = Past(now.series, decided.aborted, decided.rollout)
            return self._drawn(applied, decided, plan.draw(resolved, now.generation + 1, past))

        deadline_ms = now.resolved.settings.reload_deadline_ms
        try:
            return await asyncio.wait_for(apart(draw), deadline_ms / 1000)
        except TimeoutError:
            raise ReloadRefused(f"configuration and registry were not read within {deadline_ms} ms") from None

    def _drawn(self, applied: Sight, decided: Remembered, new: Plan) -> Drawn:
        new = replace(new, traffic=replace(new.traffic, since=self._since(self.committed, new)))
        return Drawn(applied, replace(decided, generation=new.generation), new)

    def _since(self, now: Plan, new: Plan) -> dict[int, tuple[int, ...]]:
        """Where the counters of the new split begin."""
        if decisions.same_deal(now.traffic, new.traffic):
            return now.traffic.since
        series = [each.series for each in new.traffic.split] + [each.series for each in new.traffic.shadows]
        return {each: tuple(self.counters.sums(each)) for each in series}

    async def _remember(self, attempt: Prepare, remembered: Remembered) -> None:
        deadline_ms = self.committed.resolved.settings.reload_deadline_ms
        writing = Writing()
        try:
            await asyncio.wait_for(apart(lambda: self._state.save(remembered, writing)), deadline_ms / 1000)
        except TimeoutError:
            if writing.give_up():
                self.workers.abort(attempt)
                raise ReloadRefused(f"the state folder was not written within {deadline_ms} ms") from None
        except OSError as error:
            self.workers.abort(attempt)
            raise ReloadRefused(f"the state folder cannot be written: {error.strerror}") from None
