"""A real server in its own processes, for as long as a ``with`` block."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import ServerDied

READY_S = 30.0
"""Starting takes a second or two; a busy machine may need several times that."""
STOP_S = 15.0
"""Longer than the server gives its own workers to finish."""
POLL_S = 0.02
REQUEST_S = 10.0


class ServerProcess:
    """``with ServerProcess(workers=3, model_type="xgboost", registry=path) as server: ...``

    The block starts when ``/health/ready`` answers 200. Whatever happens, no process is left behind it.
    """

    def __init__(
        self,
        *,
        ready_s: float = READY_S,
        stop_s: float = STOP_S,
        python: str = sys.executable,
        **settings: object,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            ready_s: seconds to wait for readiness.
            stop_s: seconds that it gets between the request to stop and being killed.
            python: interpreter of the environment that serves.
            settings: any setting of the server by its name in lower case, and ``config``, a TOML file. Lists
                are joined by commas; None leaves a setting unset. What is not named: loopback, a free port,
                an admin token, a state folder of its own, no file. Inherited ``MPS_*`` variables are dropped.
        """
        self._ready_s, self._stop_s, self._python = ready_s, stop_s, python
        self._given = {"api_host": "127.0.0.1", "admin_token": secrets.token_hex(16), **settings}
        self.host = str(self._given["api_host"])
        self.port = int(str(self._given.setdefault("api_port", _free_port(self.host))))
        self.token = str(self._given["admin_token"] or "")
        """Bearer token of the admin endpoints; empty when they are closed."""
        self._stderr: str | None = None
        self.exit_code: int | None = None
        """Of the main process, once it has ended; negative: killed by that signal."""

    @property
    def url(self) -> str:
        """``http://host:port``, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the main process, which starts the workers."""
        return self._process.pid

    @property
    def stderr(self) -> str:
        """What the server has said so far; it stays readable after the block."""
        return self._stderr_file.read_text("utf-8", "replace") if self._stderr is None else self._stderr

    def connect(self) -> http.client.HTTPConnection:
        """A new connection, not opened yet; the caller closes it."""
        return http.client.HTTPConnection(self.host, self.port, timeout=REQUEST_S)

    def __enter__(self) -> Self:
        """Start, and wait until it is ready.

        Raises:
            ServerDied: with what the server said on stderr.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="bench-server-")
        own = Path(self._folder.name)
        self._stderr, self._stderr_file = None, own / "stderr"
        with self._stderr_file.open("wb") as stderr:
            # Its own session: Ctrl-C reaches it through __exit__ only, and all of it can be killed at once.
            self._process = subprocess.Popen(
                [self._python, "-m", "server", "serve"],
                env=self._environment(own),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to stop, wait, and kill what is left."""
        self._end()

    def _environment(self, own: Path) -> dict[str, str]:
        (own / "empty.toml").touch()
        settings = {"state_dir": own / "state", "config": own / "empty.toml", **self._given}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MPS_")}
        return kept | {
            f"MPS_{name.upper()}": _spelled(value) for name, value in settings.items() if value is not None
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_s
        while time.monotonic() < deadline:
            if self._ended():
                raise ServerDied(f"the server ended before it was ready: {self.stderr.strip() or '(silent)'}")
            if self._is_ready():
                return
            time.sleep(POLL_S)
        raise ServerDied(f"the server was not ready within {self._ready_s:g} s: {self.stderr.strip()}")

    def _is_ready(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self) -> None:
        deadline = time.monotonic() + self._stop_s
        if not self._ended():
            os.kill(self.pid, signal.SIGTERM)
        while not self._ended() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        # Not reaped until here: as long as it is not, its number, which is the group's, is no other's.
        os.killpg(self.pid, signal.SIGKILL)
        self.exit_code = self._process.wait()
        self._stderr = self.stderr
        self._folder.cleanup()

    def _ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _spelled(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
