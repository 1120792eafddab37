"""This server, where single rows that wait at the same time run together: an experiment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from bench.targets.child import HOST
from bench.targets.shelf import Shelf
from bench.targets.target import Foreign
from registry.manifest import Label, Signature
from server import process

if TYPE_CHECKING:  # the command and the main process of the server predict nothing, and stay small
    from server.answering import Style
    from server.schema import Row
    from server.session import Rows, Session

MAX_JOINED = 32
"""Rows that run together."""
honest_load_worker = process.load_worker


class Ticket:
    """A row that waits; its answer or its error comes before ``done`` is released."""

    __slots__ = ("answer", "done", "error", "row")

    def __init__(self, row: Row) -> None:
        """Nothing is known yet."""
        self.row, self.answer, self.done = row, 0, Lock()
        self.error: Exception | None = None
        self.done.acquire()


class Batcher:
    """Who finds the model idle runs a row at once; who does not, waits for the next joint run.

    Safe to call from several threads. Every row that came in time is answered: who lets go of the model looks
    for waiting rows afterwards, and who begins to wait looks whether the model is idle.
    """

    def __init__(self, one: Callable[[Row], int], many: Callable[[Sequence[Row]], list[int]]) -> None:
        """``one`` gives the answer of a row, ``many`` those of several, in their order."""
        self._one, self._many = one, many
        self._waiting: list[Ticket] = []
        self._busy = Lock()

    @property
    def waiting(self) -> int:
        """Rows that are in no run yet."""
        return len(self._waiting)

    def __call__(self, row: Row) -> int:
        """The answer, or the error, of this row.

        Raises:
            Exception: what ``one`` raises for this row.
        """
        if self._busy.acquire(blocking=False):
            try:
                return self._one(row)
            finally:
                self._busy.release()
                self._run_waiting()
        ticket = Ticket(row)
        self._waiting.append(ticket)
        self._run_waiting()
        ticket.done.acquire()
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer

    def _run_waiting(self) -> None:
        while self._waiting and self._busy.acquire(blocking=False):
            try:
                # Others only append, so the first ones are the same in both statements.
                together = self._waiting[:MAX_JOINED]
                del self._waiting[:MAX_JOINED]
                self._run(together)
            finally:
                self._busy.release()

    def _run(self, together: list[Ticket]) -> None:
        try:
            answers = self._many([ticket.row for ticket in together])
            for ticket, answer in zip(together, answers, strict=True):
                ticket.answer = answer
        except Exception:  # noqa: BLE001  whoever's fault it was: each row gets what is its own
            for ticket in together:
                self._run_alone(ticket)
        finally:
            for ticket in together:
                ticket.done.release()

    def _run_alone(self, ticket: Ticket) -> None:
        try:
            ticket.answer = self._one(ticket.row)
        except Exception as error:  # noqa: BLE001  raised again in the thread that waits for it
            ticket.error = error


class JoinedStyle:
    """Answers of a classifier as the honest style has them, with joint runs where only a label is wanted."""

    def __init__(self, honest: Style, session: Session, classes: Sequence[Label]) -> None:
        """Make every answer to one row that there can be."""
        self._honest = honest
        self._answers = [b'{"prediction":%b}' % msgspec.json.encode(label) for label in classes]
        self.batcher = Batcher(session.one.first, lambda rows: session.labels(session.feed(rows)).tolist())

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """JSON answer for one row."""
        if probabilities:
            return self._honest.answer(row, probabilities)
        return self._answers[self.batcher(row)]

    def answer_batch(self, slices: Sequence[Rows], probabilities: bool) -> bytes:
        """JSON answer for the rows of all slices."""
        return self._honest.answer_batch(slices, probabilities)


class Joined(Foreign):
    """Ours with joint runs."""

    name = "joined"
    about = f"this server; rows that wait at the same time run together, at most {MAX_JOINED}"

    def __init__(self, shelf: Shelf, model: str, state: Path) -> None:
        """Prepare.

        Args:
            shelf: has the model.
            model: its name.
            state: folder of the server.
        """
        module = "bench.targets.joined"
        super().__init__([sys.executable, "-m", module, str(shelf.registry), model, str(state)])


def join_rows() -> None:
    """From now on every model of this process that is a classifier is answered by joint runs."""
    from server import answering, model

    def style(session: Session, signature: Signature) -> Style:
        honest = answering.style(session, signature)
        return JoinedStyle(honest, session, signature.classes) if signature.classes else honest

    setattr(model, "style", style)  # noqa: B010  model.py exports no such name; it looks it up there


def load_worker(address: str, log_level: str) -> Any:
    """What each worker runs: the honest one, where models are answered otherwise."""
    join_rows()
    return honest_load_worker(address, log_level)


def main(registry: str, model: str, state: str, port: str) -> None:
    """Serve; no setting is inherited, as for the real server beside it."""
    from bench.targets import joined  # under its own name: the workers look it up there

    for name in [name for name in os.environ if name.startswith("MPS_")]:
        del os.environ[name]
    settings = {
        "registry": registry,
        "model_type": model,
        "models": model,
        "api_host": HOST,
        "api_port": port,
        "state_dir": state,
    }
    process.load_worker = joined.load_worker
    process.run(None, {f"MPS_{name.upper()}": value for name, value in settings.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
