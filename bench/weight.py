"""What models weigh in a worker: the memory of real servers with few and with many of them."""

from __future__ import annotations

import http.client
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.errors import LoadFailed
from bench.golden import Question, question
from bench.process import ServerProcess
from bench.resident import Resident, descendants
from bench.startup import worker_pid
from registry.manifest import Manifest
from registry.store import Entry, Store

REQUESTS = 1000
COPIES = 16
"""More than one: what a single model takes is lost in what a process takes more or less by chance."""


class Memory(msgspec.Struct, frozen=True):
    """Of a server with one worker, after its requests."""

    models: int
    requests: int
    main: Resident
    worker: Resident
    others: Resident
    """What the interpreter itself starts to tidy up after processes."""


class ModelWeight(msgspec.Struct, frozen=True):
    """Of one more model in a worker, all that serves it included."""

    model: str
    copies: int
    rss_bytes: int
    """Resident memory for each copy, over that of a worker with one."""
    own_bytes: int
    """The same of the memory that the worker shares with no process."""
    manifest_bytes: int
    """Of a session alone, as the manifest states it."""


def memory(
    registry: str, entries: Sequence[Entry], requests: int = REQUESTS, python: str = sys.executable
) -> Memory:
    """Ask a server with one worker ``requests`` times, each of its models in turn, then weigh it.

    Raises:
        BenchError: it does not start, or does not answer right.
    """
    questions = [question(entry) for entry in entries]
    champion = entries[0].manifest.name
    with ServerProcess(registry=registry, model_type=champion, workers=1, python=python) as server:
        _ask(server, questions, requests)
        worker = worker_pid(server)
        others = Resident(0, 0, 0)
        for pid in set(descendants(server.pid)) - {worker}:
            others += Resident.of(pid)
        return Memory(len(entries), requests, Resident.of(server.pid), Resident.of(worker), others)


def model_weight(entry: Entry, copies: int = COPIES) -> ModelWeight:
    """Compare a worker that has the model once with one that has ``copies`` more of it.

    Raises:
        BenchError: a server does not start, or does not answer right.
    """
    one, many = (_memory_of_copies(entry, count).worker for count in (1, 1 + copies))
    return ModelWeight(
        model=entry.manifest.name,
        copies=copies,
        rss_bytes=(many.rss_bytes - one.rss_bytes) // copies,
        own_bytes=(many.own_bytes - one.own_bytes) // copies,
        manifest_bytes=entry.manifest.measured.memory_bytes,
    )


def _memory_of_copies(entry: Entry, count: int) -> Memory:
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as folder:
        return memory(folder, publish_copies(entry, Path(folder), count))


def publish_copies(entry: Entry, root: Path, count: int) -> list[Entry]:
    """The same model under so many names, in a registry of its own."""
    store = Store(root)
    found = []
    for number in range(count):
        manifest: Manifest = msgspec.structs.replace(entry.manifest, name=f"copy{number}")
        version, _ = store.publish(manifest, entry.model, entry.golden)
        store.promote(manifest.name)
        found.append(store.read(manifest.name, version))
    return found


def _ask(server: ServerProcess, questions: Sequence[Question], requests: int) -> None:
    connection = server.connect()
    try:
        for number in range(requests):
            asked = questions[number % len(questions)]
            connection.request("POST", asked.path, asked.body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            fault = asked.fault(response.status, response.read())
            if fault:
                raise LoadFailed(f"{asked.path}: {fault}")
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"no answer: {error}") from None
    finally:
        connection.close()
