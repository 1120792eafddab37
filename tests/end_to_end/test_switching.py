"""Switching on a real server with three workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.process import ServerProcess
from registry.store import Store
from server.model import Model
from server.settings import SHIPPED_REGISTRY
from tests.end_to_end.test_serving import EXAMPLE, JSON, call, flip, workers_of

WORKERS = 3
ROW = b'{"sepal_length":6.0,"sepal_width":2.7,"petal_length":5.1,"petal_width":1.6}'
"""Near the border of two classes: each model has probabilities of its own for it."""
PATH = "/predict?probabilities=true"


@pytest.fixture(scope="module")
def shared() -> Iterator[ServerProcess]:
    """Three workers, the shipped models."""
    with ServerProcess(workers=WORKERS) as running:
        yield running


@pytest.fixture
def server(shared: ServerProcess) -> ServerProcess:
    """The shared one with the heuristic, whatever the tests before it have set."""
    assert reload(shared, {"model_type": None, "max_batch_rows": None})[0] == 200
    return shared


@pytest.fixture(scope="module")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Path]]:
    """Two workers with nothing but the heuristic, and their registry, which may be damaged."""
    registry = tmp_path_factory.mktemp("switching") / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    with ServerProcess(workers=2, registry=registry, models=["heuristic"]) as running:
        yield running, registry


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    """What each model answers to ``ROW``; all different, so that an answer tells who gave it."""
    store = Store(Path(SHIPPED_REGISTRY))
    row = tuple(json.loads(ROW).values())
    answers = {name: Model(store.read(name, 1)).answer(row, True) for name in store.names()}
    assert len(set(answers.values())) == len(answers) == 4
    return answers


def reload(server: ServerProcess, change: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """``POST /config/reload``."""
    body = json.dumps(change).encode() if change is not None else None
    status, _, text = call(server, "POST", "/config/reload", body, Authorization=f"Bearer {server.token}")
    answer: dict[str, Any] = json.loads(text)
    return status, answer


def generation_of(server: ServerProcess) -> int:
    """The one that is served."""
    return int(json.loads(call(server, "GET", "/health")[2])["generation"])


def who_answers(server: ServerProcess, times: int = 40) -> set[tuple[str, str]]:
    """(model, generation) of many answers, each on a new connection: they meet all workers."""
    found = set()
    for _ in range(times):
        status, headers, _ = call(server, "POST", "/predict", EXAMPLE)
        assert status == 200
        found.add((headers["x-model-name"], headers["x-model-generation"]))
    return found


def test_after_the_200_no_worker_answers_with_the_old_model(server: ServerProcess) -> None:
    """From the acknowledgement on, every worker and every open connection serves the new generation."""
    before = generation_of(server)
    open_connections = [server.connect() for _ in range(12)]
    for connection in open_connections:
        connection.request("POST", "/predict", EXAMPLE, JSON)
        connection.getresponse().read()
    status, answer = reload(server, {"model_type": "xgboost"})
    assert (status, answer) == (
        200,
        {
            "generation": before + 1,
            "model": "xgboost",
            "version": 1,
            "workers": WORKERS,
            "needs_restart": [],
        },
    )
    for connection in open_connections:
        connection.request("POST", "/predict", EXAMPLE, JSON)
        response = connection.getresponse()
        response.read()
        assert response.headers["X-Model-Name"] == "xgboost"
        connection.close()
    assert who_answers(server) == {("xgboost", str(before + 1))}
    assert generation_of(server) == before + 1


class Caller(threading.Thread):
    """Predicts without a pause and keeps what it saw."""

    def __init__(
        self, server: ServerProcess, acknowledged: list[int], stop: threading.Event, churn: bool
    ) -> None:
        super().__init__(daemon=True)
        self.server, self.acknowledged, self.stop_asked, self.churn = server, acknowledged, stop, churn
        self.answers = 0
        self.faults: list[str] = []
        self.seen: list[tuple[int, int, str, bytes]] = []

    def run(self) -> None:
        connection = self.server.connect()
        while not self.stop_asked.is_set():
            at_least = self.acknowledged[-1]
            try:
                connection.request("POST", PATH, ROW, JSON)
                response = connection.getresponse()
                body = response.read()
            except OSError as error:
                self.faults.append(repr(error))
                return
            generation = int(response.headers["X-Model-Generation"] or -1)
            self.seen.append((at_least, generation, response.headers["X-Model-Name"] or "", body))
            if response.status != 200:
                self.faults.append(f"{response.status} {body!r}")
            if self.churn:
                connection.close()
        connection.close()


def test_switching_under_load_loses_nothing(server: ServerProcess, expected: dict[str, bytes]) -> None:
    """Every answer is 200 and is its own model's; none is older than what was acknowledged before."""
    acknowledged, stop = [generation_of(server)], threading.Event()
    callers = [Caller(server, acknowledged, stop, churn=number % 2 == 0) for number in range(8)]
    for caller in callers:
        caller.start()
    for _ in range(6):
        for name in ("xgboost", "random_forest", "decision_tree", "heuristic"):
            status, answer = reload(server, {"model_type": name})
            assert status == 200, answer
            acknowledged.append(answer["generation"])
            time.sleep(0.03)
    stop.set()
    for caller in callers:
        caller.join(10)
    assert [fault for caller in callers for fault in caller.faults] == []
    seen = [answer for caller in callers for answer in caller.seen]
    assert len(seen) > 200
    assert len({generation for _, generation, _, _ in seen}) > 5
    assert [answer for answer in seen if answer[1] < answer[0]] == []
    assert [answer for answer in seen if answer[3] != expected[answer[2]]] == []


def test_a_killed_worker_is_replaced_at_the_committed_generation(server: ServerProcess) -> None:
    """``kill -9`` of one worker: its replacement never serves anything older."""
    committed = reload(server, {"model_type": "random_forest"})[1]["generation"]
    before = workers_of(server)
    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not workers_of(server) - before or joined(server, committed) < WORKERS:
        assert time.monotonic() < deadline, server.stderr
        time.sleep(0.05)
    assert who_answers(server) == {("random_forest", str(committed))}
    assert reload(server, {"model_type": "xgboost"})[1]["workers"] == WORKERS


def test_a_worker_that_dies_again_and_again_is_replaced(server: ServerProcess) -> None:
    """Killed as soon as it is back, three times: the server goes on, with all its workers."""
    for _ in range(3):
        before = workers_of(server)
        os.kill(max(before), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while not workers_of(server) - before:
            assert time.monotonic() < deadline, server.stderr
            time.sleep(0.02)
    status, answer = reload(server, {"model_type": "xgboost"})
    assert status == 200
    assert who_answers(server) == {("xgboost", str(answer["generation"]))}


def joined(server: ServerProcess, generation: int) -> int:
    """How many of the present workers serve it, by the log."""
    said = [line for line in server.stderr.splitlines() if f"serving generation {generation}:" in line]
    return len({line.split("[")[1].split("]")[0] for line in said} & {str(pid) for pid in workers_of(server)})


@pytest.mark.parametrize("file", ["model.onnx", "golden.json", "manifest.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_damaged_entry_changes_nothing_on_any_worker(
    shelved: tuple[ServerProcess, Path], file: str, damage: Any
) -> None:
    """409 with the reason; the old generation serves on everywhere; a mended entry is then taken."""
    server, registry = shelved
    before = reload(server, {"model_type": None})[1]["generation"]  # lets go of what an earlier test loaded
    damaged = registry / "xgboost" / "1" / file
    sound = damaged.read_bytes()
    damage(damaged)
    status, answer = reload(server, {"model_type": "xgboost"})
    assert status == 409
    assert answer["detail"].startswith("xgboost@1: ")
    assert str(registry.parent) not in answer["detail"]
    assert who_answers(server) == {("heuristic", str(before))}
    assert call(server, "GET", "/health/ready")[0] == 200
    damaged.write_bytes(sound)
    assert reload(server, {"model_type": "xgboost"})[0] == 200
    assert who_answers(server) == {("xgboost", str(before + 1))}


def test_golden_rows_that_fail_keep_a_model_from_serving(shelved: tuple[ServerProcess, Path]) -> None:
    """A sound-looking entry whose model answers otherwise than its training library is refused everywhere."""
    server, registry = shelved
    store = Store(registry)
    tree, forest = store.read("decision_tree", 1), store.read("random_forest", 1)
    store.publish(tree.manifest, tree.model, forest.golden)
    before = reload(server, {"model_type": None})[1]["generation"]
    status, answer = reload(server, {"model_type": "decision_tree@2"})
    assert status == 409
    assert "golden rows fail" in answer["detail"]
    assert who_answers(server) == {("heuristic", str(before))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "nope"}, "no model 'nope'"),
        ({"modle_type": "xgboost"}, "did you mean 'model_type'?"),
        ({"workers": 9}, "cannot be set at run time"),
    ],
)
def test_a_wrong_reload_is_refused(server: ServerProcess, change: dict[str, Any], words: str) -> None:
    """422 that names the setting; nothing changed."""
    before = generation_of(server)
    status, answer = reload(server, change)
    assert status == 422
    assert words in answer["detail"]
    assert who_answers(server) == {("heuristic", str(before))}


def test_the_file_is_read_again_and_the_override_stays(tmp_path: Path) -> None:
    """Empty body: file and environment anew. The override beats the file, outlives a restart, and can go."""
    config, state = tmp_path / "mps.toml", tmp_path / "state"
    config.write_text('model_type = "decision_tree"')
    with ServerProcess(workers=2, config=config, state_dir=state) as server:
        assert who_answers(server) == {("decision_tree", "1")}
        config.write_text('model_type = "random_forest"')
        assert reload(server)[1]["model"] == "random_forest"
        assert reload(server, {"model_type": "xgboost"})[1]["generation"] == 3
        config.write_text('model_type = "dec')
        assert reload(server)[0] == 422
        assert who_answers(server) == {("xgboost", "3")}
    config.write_text('model_type = "decision_tree"')
    with ServerProcess(workers=2, config=config, state_dir=state) as server:
        assert who_answers(server) == {("xgboost", "4")}
        status, _, body = call(server, "GET", "/config", Authorization=f"Bearer {server.token}")
        assert status == 200
        assert json.loads(body)["settings"]["model_type"] == {"value": "xgboost", "source": "override"}
        assert reload(server, {"model_type": None})[1]["model"] == "decision_tree"


def mps_reload(
    server: ServerProcess, *arguments: str, token: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "server", "reload", "--url", server.url, *arguments],
        env={**os.environ, "MPS_ADMIN_TOKEN": server.token if token is None else token},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_reload_command(server: ServerProcess) -> None:
    """``mps reload`` sets, reports and forgets; what is refused is one line on stderr and code 1."""
    then = generation_of(server) + 1
    done = mps_reload(server, "model_type=xgboost", "max_batch_rows=5")
    assert (done.returncode, done.stdout) == (0, f"generation {then}: xgboost@1 on {WORKERS} worker(s)\n")
    batch = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 6}).encode()
    assert call(server, "POST", "/predict/batch", batch)[0] == 413
    forgotten = mps_reload(server, "--forget", "model_type")
    assert forgotten.stdout.startswith(f"generation {then + 1}: heuristic@1")
    refused = mps_reload(server, "model_type=nope")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "no model 'nope'" in refused.stderr
    assert "401" in mps_reload(server, token="wrong").stderr


def test_twenty_reloads_at_once(server: ServerProcess) -> None:
    """Each is done once; the workers end on one generation."""
    before, answers = generation_of(server), list[int]()

    def ask() -> None:
        answers.append(reload(server, {"model_type": "xgboost"})[1]["generation"])

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == list(range(before + 1, before + 21))
    assert who_answers(server) == {("xgboost", str(before + 20))}


def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    """The same switch as a reload with an empty body; the processes stay."""
    config = tmp_path / "mps.toml"
    config.write_text('model_type = "heuristic"')
    with ServerProcess(workers=2, config=config) as server:
        before = workers_of(server)
        config.write_text('model_type = "xgboost"')
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 20
        while who_answers(server) != {("xgboost", "2")}:
            assert time.monotonic() < deadline, server.stderr
        assert workers_of(server) == before
