"""A process that listens on a port, for as long as a ``with`` block."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import ServerDied
from bench.targets.shelf import ROOT

HOST = "127.0.0.1"
READY_S, STOP_S, POLL_S = 30.0, 5.0, 0.02


class Child:
    """The command gets its port as last argument. Whatever happens, no process is left behind the block."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], ready_s: float = READY_S) -> None:
        """Prepare; nothing is started yet.

        Args:
            command: without the port.
            environ: set in addition to what is inherited.
            ready_s: seconds to wait until it listens.
        """
        self._command, self._environ, self._ready_s = command, environ, ready_s
        with socket.create_server((HOST, 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        """Start, and wait until it listens.

        Raises:
            ServerDied: with what it said.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="bench-target-")
        self._output = Path(self._folder.name) / "output"
        with self._output.open("wb") as output:
            # Its own session: all that it starts can be stopped at once.
            self._process = subprocess.Popen(
                [*self._command, str(self.port)],
                cwd=ROOT,
                env={**os.environ, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._wait_until_listening()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to stop, wait, and kill what is left."""
        self._end()

    def _wait_until_listening(self) -> None:
        deadline_s = time.monotonic() + self._ready_s
        while time.monotonic() < deadline_s:
            if self._ended():
                raise ServerDied(f"{self._named} ended before it listened: {self._said}")
            try:
                socket.create_connection((HOST, self.port), POLL_S).close()
                return
            except OSError:
                time.sleep(POLL_S)
        raise ServerDied(f"{self._named} did not listen within {self._ready_s:g} s: {self._said}")

    def _end(self) -> None:
        deadline_s = time.monotonic() + STOP_S
        if not self._ended():
            os.killpg(self._process.pid, signal.SIGTERM)
        while not self._ended() and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        # Not reaped until here: as long as it is not, its number, which is the group's, is no other's.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def _ended(self) -> bool:
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    @property
    def _named(self) -> str:
        return " ".join(self._command[:4])

    @property
    def _said(self) -> str:
        return self._output.read_text("utf-8", "replace").strip()[-500:] or "(silent)"
