"""A load generator in a process of its own, for as long as a ``with`` block."""

from __future__ import annotations

import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from bench.errors import LoadFailed
from bench.load.loop import DRAIN_S
from bench.load.spec import Load, Timings

ROOT = Path(__file__).parents[2]
"""Without being installed, this project is found only from here."""
END_S = 5.0
SLACK_S = 20.0
"""Beyond the run itself, for starting, connecting and counting; after that it hangs."""


def limit_s(load: Load) -> float:
    """How long one run may take altogether."""
    return load.warm_up_s + load.seconds + 2 * DRAIN_S + SLACK_S


class Generator:
    """Sends the same load as often as it is told to: no run waits for Python to start.

    It starts on the cores that the thread has which enters the block.
    """

    def __init__(self, load: Load) -> None:
        """Prepare; nothing is started yet."""
        self._load = load

    def __enter__(self) -> Self:
        """Start, and hand over the load.

        Raises:
            LoadFailed: it ended at once; with what it said.
        """
        command, pipe = [sys.executable, "-m", "bench.load"], subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            self._tell(msgspec.json.encode(self._load))
            if self._heard() != b"ready\n":
                raise LoadFailed(f"the load generator spoke out of turn: {self._last_words()}")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, whatever it is doing."""
        self._end()

    def begin(self, start_s: float) -> None:
        """Let a run begin at a time on the clock of ``time.monotonic``.

        Raises:
            LoadFailed: it has ended; with what it said.
        """
        self._tell(str(start_s).encode())

    def timings(self) -> Timings:
        """Of the run that was begun, once it is over.

        Raises:
            LoadFailed: it left none; with what it said.
        """
        return msgspec.json.decode(self._heard(), type=Timings)

    def _tell(self, line: bytes) -> None:
        stdin = _pipe(self._process.stdin)
        try:
            stdin.write(line + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise LoadFailed(f"the load generator ended: {self._last_words()}") from None

    def _heard(self) -> bytes:
        stdout = _pipe(self._process.stdout)
        limit = limit_s(self._load)
        answer = select.poll()  # select itself takes no descriptor beyond 1023
        answer.register(stdout, select.POLLIN)
        if not answer.poll(limit * 1000):
            raise LoadFailed(f"the load generator did not end within {limit:g} s")
        line = stdout.readline()
        if not line:
            raise LoadFailed(f"the load generator ended: {self._last_words()}")
        return line

    def _last_words(self) -> str:
        self._process.kill()
        said = _pipe(self._process.stderr).read().decode("utf-8", "replace").strip() or "(silent)"
        return said.splitlines()[-1]

    def _end(self) -> None:
        self._process.terminate()
        for stream in (self._process.stdout, self._process.stderr):
            _pipe(stream).close()
        with suppress(BrokenPipeError):  # what it had not read
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # all three were asked for
    return stream
