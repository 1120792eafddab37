"""A supervisor under test, with workers that do what the test tells them to.

A scripted worker is a real process (so that it can be killed) whose control connection the test holds.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from server.errors import ServerError
from server.settings import Resolved, resolve
from server.switching import messages, request
from server.switching.messages import Commit, Committed, Hello, Prepare, Prepared, Reload, Reloaded, Up
from server.switching.state import State
from server.switching.supervisor import Supervisor


class Worker:
    """A worker that does what the test tells it to."""

    def __init__(self, address: str) -> None:
        self.process = subprocess.Popen(["sleep", "60"])
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(address)
        self.lines = self.socket.makefile("rb")
        self.say(Hello(self.process.pid))
        assert isinstance(self.hear(), messages.Welcome)

    def say(self, message: messages.Message) -> None:
        self.socket.sendall(messages.line(message))

    def hear(self) -> messages.ToWorker:
        heard: messages.ToWorker = messages.decode_to_worker(self.lines.readline())
        return heard

    def expect_prepare(self) -> Prepare:
        heard = self.hear()
        assert isinstance(heard, Prepare)
        return heard

    def expect_commit(self) -> Commit:
        heard = self.hear()
        assert isinstance(heard, Commit)
        return heard

    def obey_prepare(self) -> Prepare:
        """Prepare, and wait for the others."""
        prepare = self.expect_prepare()
        self.say(Prepared(prepare.attempt))
        return prepare

    def obey(self) -> Prepare:
        """Prepare and commit as a good worker does."""
        prepare = self.expect_prepare()
        self.say(Prepared(prepare.attempt))
        assert self.expect_commit().attempt == prepare.attempt
        self.say(Committed(prepare.attempt))
        return prepare

    def alive(self) -> bool:
        return self.process.poll() is None

    def leave(self) -> None:
        self.process.kill()
        self.process.wait()
        self.lines.close()
        self.socket.close()


class Stage:
    """A supervisor with settings that the test can change, and its workers."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.environ = {"MPS_WORKERS": "1", "MPS_RELOAD_DEADLINE_MS": "1500", **environ}
        self.folder = folder
        self.fatal = threading.Event()
        self.workers: list[Worker] = []
        self.state = State(folder)
        self.supervisor = Supervisor(self.resolver, self.state, self.fatal.set)
        self.address = self.supervisor.run()
        self.supervisor.workers.at_once = 99  # whatever this machine has; one test says otherwise

    def resolver(self, override: Mapping[str, Any]) -> Resolved:
        return resolve(self.environ, None, override)

    def enter(self) -> Worker:
        worker = Worker(self.address)
        self.workers.append(worker)
        return worker

    def joined(self) -> Worker:
        worker = self.enter()
        worker.obey()
        worker.say(Up())
        until(lambda: worker.process.pid in {member.pid for member in self.supervisor.workers.up})
        return worker

    def reload(self, allow: bool = False, **change: Any) -> Outcome:
        return self.ask(Reload(change, allow))

    def ask(self, asked: messages.Request) -> Outcome:
        outcome = Outcome()
        threading.Thread(target=outcome.run, args=(self.address, asked), daemon=True).start()
        return outcome

    def remembered(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def close(self) -> None:
        for worker in self.workers:
            worker.leave()


class Outcome:
    """What a reload ended with."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: Reloaded | Exception | None = None

    def run(self, address: str, message: messages.Request) -> None:
        try:
            self.value = asyncio.run(request.switch(address, message))
        except ServerError as error:
            self.value = error
        self.done.set()

    def get(self) -> Reloaded:
        assert self.done.wait(10), "the reload never ended"
        if isinstance(self.value, Exception):
            raise self.value
        assert self.value is not None
        return self.value


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
