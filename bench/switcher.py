"""Switches the model of a running server again and again, beside whatever else goes on."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from bench.answers import Generations, reload_fault
from bench.process import ServerProcess

PATH = "/config/reload"
ANSWER_S = 600.0
"""Workers that load a large model take their time."""
Change = Mapping[str, str]
"""Body of a reload: setting to value."""


class Reload(NamedTuple):
    """One that was acknowledged; times are on the clock of ``time.monotonic``, which is the machine's."""

    model: str
    generation: int
    sent_s: float
    """Before its first byte was sent."""
    acknowledged_s: float
    """All of its answer was there."""

    @property
    def took_ms(self) -> float:
        """From the request to the answer."""
        return (self.acknowledged_s - self.sent_s) * 1000


class Switcher:
    """``with Switcher(server, [{"model_type": "a"}, ...], every_s=0.05) as switcher: ... switcher.reloads``

    When the block begins, the first of the changes has been made: from then on it is known what is served.
    When it ends, the last switch has been answered.
    """

    def __init__(self, server: ServerProcess, changes: Sequence[Change], every_s: float) -> None:
        """Nothing is switched yet.

        Args:
            server: running.
            changes: made in turn; each names a ``model_type``.
            every_s: seconds between the answer to one and the next.
        """
        self._server, self._every_s = server, every_s
        self._turns = itertools.cycle(changes)
        self._generations = Generations()
        self._stop = threading.Event()
        self.reloads: list[Reload] = []
        """In order."""
        self.faults: list[str] = []
        """Of those that were not acknowledged, or not as they should."""

    def __enter__(self) -> Self:
        """Switch once, and then in a thread."""
        self._connection = self._server.connect()
        self._connection.timeout = ANSWER_S
        self._switch()
        self._pool = ThreadPoolExecutor(1)
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin no other switch, and wait for the answer to the last."""
        self._stop.set()
        self._pool.shutdown()
        self._connection.close()
        self._running.result()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._switch()

    def _switch(self) -> None:
        change = next(self._turns)
        model = change["model_type"]
        headers = {"Authorization": f"Bearer {self._server.token}", "Content-Type": "application/json"}
        sent_s = time.monotonic()
        try:
            self._connection.request("POST", PATH, json.dumps(change), headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next one opens it again
            self.faults.append(f"reload to {model}: no answer: {error or type(error).__name__}")
            return
        acknowledged_s = time.monotonic()
        fault = reload_fault(response.status, body, model, self._generations)
        if fault:
            self.faults.append(f"reload to {model}: {fault}")
        else:
            self.reloads.append(Reload(model, json.loads(body)["generation"], sent_s, acknowledged_s))
