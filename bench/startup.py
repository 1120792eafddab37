"""From the start of the process to the first right answer."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import msgspec

from bench.errors import BenchError, LoadFailed
from bench.golden import Question, question
from bench.process import READY_S, ServerProcess
from bench.resident import started_s
from bench.spread import Spread
from registry.store import Entry

POLL_S = 0.004
SAID_S = 2.0
"""What the main process says of a worker may come a moment after that worker's first answer."""
WORKER = re.compile(r"worker (\d+) serves generation")
"""What the server says when a worker has loaded its models."""
MAIN_IMPORTS = "import server.__main__, server.serve, server.process"
WORKER_IMPORTS = f"{MAIN_IMPORTS}, server.switching.member, server.app"


class Round(NamedTuple):
    """One start, in milliseconds."""

    answer_ms: float
    main_ms: float
    """Until the main process has started its worker; to 10 ms, as the kernel writes it down."""
    main_imports_ms: float
    """An interpreter that does nothing but import what the main process does."""
    worker_imports_ms: float
    """The same of a worker."""


class StartUp(msgspec.Struct, frozen=True):
    """Several starts of a server with one worker, in milliseconds."""

    rounds: int
    answer_ms: Spread
    """From the start of the process to the first right answer over HTTP."""
    main_ms: Spread
    worker_ms: Spread
    """From the start of the worker to that answer."""
    main_imports_ms: Spread
    worker_imports_ms: Spread


def start_up(registry: str, entry: Entry, rounds: int, python: str = sys.executable) -> StartUp:
    """Start ``rounds`` servers, one after the other, that answer with the model.

    Raises:
        BenchError: one does not start, or does not answer.
    """
    _compile(python)
    found = [_round(registry, entry, python) for _ in range(rounds)]
    return StartUp(
        rounds=rounds,
        answer_ms=_spread([each.answer_ms for each in found]),
        main_ms=_spread([each.main_ms for each in found]),
        worker_ms=_spread([each.answer_ms - each.main_ms for each in found]),
        main_imports_ms=_spread([each.main_imports_ms for each in found]),
        worker_imports_ms=_spread([each.worker_imports_ms for each in found]),
    )


def worker_pid(server: ServerProcess) -> int:
    """The process that answers, of a server with one worker that is ready.

    Raises:
        BenchError: the server does not say which it is.
    """
    deadline_s = time.monotonic() + SAID_S
    while not (found := WORKER.findall(server.stderr)):
        if time.monotonic() > deadline_s:
            raise BenchError(f"the server does not say which process answers: {server.stderr.strip()}")
        time.sleep(POLL_S)
    return int(found[-1])


def _round(registry: str, entry: Entry, python: str) -> Round:
    server = ServerProcess(registry=registry, model_type=entry.manifest.name, workers=1, python=python)
    given_up = Event()
    with ThreadPoolExecutor(1) as asking:
        began_s = time.perf_counter()
        answered = asking.submit(_first_answer, server, question(entry), given_up)
        try:
            with server:
                answer_ms = (answered.result() - began_s) * 1000
                main_ms = (started_s(worker_pid(server)) - started_s(server.pid)) * 1000
        finally:
            given_up.set()
    return Round(answer_ms, main_ms, _import_ms(python, MAIN_IMPORTS), _import_ms(python, WORKER_IMPORTS))


def _first_answer(server: ServerProcess, asked: Question, given_up: Event) -> float:
    """When it came, on the clock of ``perf_counter``. An answer that is not right ends the wait."""
    deadline_s = time.perf_counter() + READY_S
    while not given_up.wait(POLL_S) and time.perf_counter() < deadline_s:
        connection = server.connect()
        try:
            connection.request("POST", asked.path, asked.body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            fault = asked.fault(response.status, response.read())
        except (OSError, http.client.HTTPException):
            continue  # nobody listens yet
        finally:
            connection.close()
        if fault:
            raise LoadFailed(f"{asked.path}: {fault}")
        return time.perf_counter()
    raise LoadFailed(f"{asked.path}: no answer within {READY_S:g} s")


def _compile(python: str) -> None:
    """Let the interpreter keep its compiled files, as those of an install are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([python, "-c", WORKER_IMPORTS], check=True, stdin=subprocess.DEVNULL, env=kept)


def _import_ms(python: str, statement: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - began_s) * 1000


def _spread(values: Sequence[float]) -> Spread:
    spread = Spread.of(round(value, 1) for value in values)
    assert spread is not None, "at least one round"
    return spread
