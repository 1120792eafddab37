"""A connection that judges nothing: it writes down what it is answered, and when."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

from bench.answers import GENERATION, MODEL
from bench.load.answer import Head
from bench.load.connection import Broken, Connection
from bench.load.question import Question
from bench.load.spec import Answer

GENERATION_FIELD, MODEL_FIELD = GENERATION.lower().encode(), MODEL.lower().encode()


class Witness(Connection):
    """For answers that are right or wrong by what else happened meanwhile, which nobody knows here."""

    def __init__(
        self,
        address: tuple[str, int],
        turns: Iterator[Question],
        poll: select.epoll,
        fresh: bool,
        answers: list[Answer],
    ) -> None:
        """Connect.

        Args:
            address: host and port.
            turns: what is asked, one after the other, without end.
            poll: is told of the socket.
            fresh: open it anew for each request.
            answers: get every answer.

        Raises:
            OSError: nobody listens there.
        """
        super().__init__(address, turns, poll, fresh)
        self._answers = answers
        self._started_s = 0.0

    def ask(self, since_s: float) -> None:
        """Send the next request.

        Raises:
            Broken
        """
        self._started_s = time.monotonic()
        super().ask(since_s)

    def judged(self, head: Head, body: bytes, early: bool) -> int:
        """Write it down, whatever it is; its status.

        Raises:
            Broken: it is the last on this connection, which no answer should be.
        """
        answer = Answer(
            due_s=self.since_s,
            started_s=self._started_s,
            came_s=time.monotonic(),
            fresh=self.fresh,
            status=head.status,
            generation=head.fields.get(GENERATION_FIELD, b"").decode("latin-1"),
            model=head.fields.get(MODEL_FIELD, b"").decode("latin-1"),
            body=body.decode("utf-8", "replace"),
        )
        self._answers.append(answer)
        if head.closes or early:
            raise Broken("the server ends the connection with its answer")
        return head.status
