"""Where explanations are asked for: one at a time in each worker, under a deadline of their own.

An explanation takes many times what a prediction takes, and keeps the interpreter from it for a part of that.
So a few may wait, each with a thread that predictions then lack, and whoever comes after them is sent away at
once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns

import msgspec
from msgspec.structs import replace

from registry.errors import BrokenEntry
from registry.store import Store
from server.errors import Fault, InvalidValues, NotExplainable, TooLarge, Unavailable
from server.explanation.document import document
from server.explanation.explainer import Explainer
from server.generation import Generation, Serving
from server.model import Model
from server.prediction import Ask, expect_json, read_row, timeout_ns
from server.problem import Reply, problem

MAX_WAITING = 3


class Desk:
    """Of one worker. Safe to call from several threads."""

    def __init__(self, serving: Serving) -> None:
        """Nobody waits."""
        self._serving = serving
        self._turn = threading.Lock()
        self._places = threading.Semaphore(1 + MAX_WAITING)

    def explain(self, ask: Ask) -> Reply:
        """Answer ``POST /explain`` and ``POST /models/{name}/explain``."""
        lane, generation = None, self._serving.generation
        try:
            lane = generation.champion if ask.model is None else generation.lane(ask.model)
            if not isinstance(ask.body, bytes):
                raise TooLarge(*ask.body.args)
            expect_json(ask.content_type)
            if ask.query:
                raise InvalidValues([Fault("?", f"expected no query, came {ask.query[:80]!r}")])
            default_ns = generation.plan.resolved.settings.explain_timeout_ms * 1_000_000
            allowed_ns = default_ns if ask.timeout_ms is None else timeout_ns(ask.timeout_ms)
            row = read_row(lane.model, ask.body)
            with self._admitted(ask.arrived_ns + allowed_ns):
                explainer = _explainer(generation, lane.model)
                _check_time(explainer, default_ns, ask.arrived_ns + allowed_ns)
                told = document(lane.model, explainer, row, generation.number)
            return Reply(200, lane.headers, msgspec.json.encode(told))
        except Exception as error:  # noqa: BLE001  whatever happens, the caller gets an answer
            reply = problem(error, ask.request_id)
            own = lane.headers if lane else (("X-Model-Generation", str(generation.number)),)
            return replace(reply, headers=(*own, *reply.headers))

    @contextmanager
    def _admitted(self, deadline_ns: int) -> Iterator[None]:
        """Wait for one's turn.

        Raises:
            Unavailable: it did not come in time, or too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable(f"{MAX_WAITING} explanations are waiting already; try again")
        try:
            if not self._turn.acquire(timeout=max(deadline_ns - perf_counter_ns(), 0) / 1e9):
                raise Unavailable("the explanations before this one took until its deadline; try again")
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()


def _explainer(generation: Generation, model: Model) -> Explainer:
    """Made when it is first asked for, from the very entry that was loaded.

    Raises:
        NotExplainable: the model's answers cannot be explained.
        BrokenEntry: the registry holds something else by now.
    """

    def sealed() -> bytes:
        manifest = model.manifest
        store = Store(Path(generation.plan.resolved.settings.registry))
        entry = store.read(manifest.name, manifest.version)
        if entry.seal != model.seal:
            raise BrokenEntry(f"{manifest.reference} changed in the registry after it was loaded; reload")
        return entry.model

    return model.explainer(sealed)


def _check_time(explainer: Explainer, default_ns: int, deadline_ns: int) -> None:
    takes_ns = explainer.work_ns
    if takes_ns > default_ns:
        raise NotExplainable(
            f"an explanation would take about {takes_ns / 1e6:.0f} ms, and explain_timeout_ms allows "
            f"{default_ns / 1e6:.0f}"
        )
    if perf_counter_ns() + takes_ns > deadline_ns:
        raise Unavailable("the deadline is over before the work begins; allow more time, or try again")
