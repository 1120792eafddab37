"""A worker's side of switching: one thread that does what the supervisor says."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from pathlib import Path

from registry.errors import RegistryError
from server.counters import Counters
from server.generation import Generation, Serving
from server.switching import messages
from server.switching.messages import (
    Abort,
    Commit,
    Committed,
    Hello,
    Message,
    Prepare,
    Prepared,
    Refused,
    Up,
    Welcome,
)

log = logging.getLogger("mps")


class Member:
    """Keeps ``serving`` at the generation that the supervisor has committed."""

    def __init__(self, address: str, serving: Serving) -> None:
        """Connect; nothing is loaded before ``join``."""
        self._serving = serving
        self._prepared: tuple[int, Generation] | None = None
        self._joined = threading.Event()
        self._speaking = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(address)
        self._lines = self._socket.makefile("rb")

    def join(self) -> Counters:
        """Come to the committed generation. Returns only then; until then the worker takes no request."""
        self._say(Hello(os.getpid()))
        welcome = self._hear()
        assert isinstance(welcome, Welcome), "the supervisor greets first"
        self._serving.attached = True
        threading.Thread(target=self._follow, name="member", daemon=True).start()
        self._joined.wait()
        return Counters(Path(welcome.counters), welcome.seat)

    def up(self) -> None:
        """Tell that requests can come."""
        with contextlib.suppress(OSError):  # the supervisor is gone, which the other thread sees too
            self._say(Up())

    def _follow(self) -> None:
        """Until the supervisor is gone. Without it no switch could reach this worker, so it leaves too."""
        try:
            while (message := self._hear()) is not None:
                self._obey(message)
        except Exception:
            log.exception("the worker lost its supervisor")
        finally:
            self._serving.attached = False
            self._lines.close()
            self._socket.close()
            os.kill(os.getpid(), signal.SIGTERM)

    def _obey(self, message: messages.ToWorker) -> None:
        match message:
            case Prepare(attempt, plan):
                try:
                    before = self._prepared[1] if self._prepared else None
                    self._prepared = (attempt, self._serving.prepare(plan, before))
                except RegistryError as error:
                    log.error("cannot prepare generation %d: %s", plan.generation, error)
                    self._say(Refused(attempt, str(error)))
                except Exception as error:  # whatever it is, this worker must go on serving
                    log.exception("cannot prepare generation %d", plan.generation)
                    self._say(
                        Refused(attempt, f"a worker failed to load it ({type(error).__name__}); see its log")
                    )
                else:
                    self._say(Prepared(attempt))
            case Commit(attempt):
                assert self._prepared is not None, "commit without prepare"
                assert self._prepared[0] == attempt, "commit of another attempt"
                self._serving.commit(self._prepared[1])
                self._prepared = None
                self._joined.set()
                self._say(Committed(attempt))
            case Abort():
                self._prepared = None

    def _say(self, message: Message) -> None:
        with self._speaking:
            self._socket.sendall(messages.line(message))

    def _hear(self) -> messages.ToWorker | None:
        text = self._lines.readline()
        return messages.decode_to_worker(text) if text else None
