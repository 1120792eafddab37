"""Switching on a real server while things go wrong: nothing is half-applied, and no worker is left behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.process import ServerProcess
from registry.store import MAX_FILE_BYTES
from server.settings import SHIPPED_REGISTRY
from tests.end_to_end.test_serving import call, workers_of
from tests.end_to_end.test_switching import reload, who_answers

pytestmark = pytest.mark.usefixtures("untraced")
MODELS = ("xgboost", "random_forest", "decision_tree", "heuristic")


def until(condition: Callable[[], bool], server: ServerProcess, seconds: float = 30) -> None:
    """Wait for something that the server does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, server.stderr
        time.sleep(0.05)


def ready(server: ServerProcess) -> bool:
    """What ``/health/ready`` says."""
    return call(server, "GET", "/health/ready")[0] == 200


def test_workers_die_while_models_are_switched(tmp_path: Path) -> None:
    """``kill -9`` at any moment of a reload: it is done or refused, and after it all workers agree."""
    with ServerProcess(workers=3, reload_deadline_ms=15_000, state_dir=tmp_path) as server:
        chance, stop = random.Random(0), threading.Event()

        def kill() -> None:
            while not stop.wait(chance.uniform(0.3, 0.7)):
                os.kill(chance.choice(sorted(workers_of(server))), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        done = 1
        end = time.monotonic() + 4
        for name in MODELS * 1000:
            status, answer = reload_anyhow(server, name)
            assert status in (0, 200, 409), answer
            if status == 200:
                assert answer["generation"] > done
                done = answer["generation"]
            if time.monotonic() > end:
                break
        stop.set()
        killer.join()
        until(lambda: reload_anyhow(server)[1].get("workers") == 3, server)
        [(served, generation)] = who_answers(server)
        assert int(generation) > done > 1
        remembered = json.loads((tmp_path / "state.json").read_text())
        assert (served, int(generation)) == (remembered["override"]["model_type"], remembered["generation"])


def reload_anyhow(server: ServerProcess, name: str | None = None) -> tuple[int, dict[str, Any]]:
    """A reload; status 0 when the worker that was asked died before it could answer."""
    try:
        return reload(server, {"model_type": name} if name else None)
    except (OSError, ValueError, json.JSONDecodeError):
        return 0, {}


def test_a_worker_that_hangs_in_prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped, not dead: refused in time, the others serve; at last it is killed, and replaced."""
    monkeypatch.setattr("bench.process.REQUEST_S", 5.0)  # the kernel may give some to the one that hangs
    with ServerProcess(workers=3, reload_deadline_ms=700, state_dir=tmp_path / "state") as server:
        stuck = psutil.Process(max(workers_of(server)))
        reload(server)  # a connection to the others is open
        stuck.suspend()
        outcomes = []
        for _ in range(6):  # the kernel may give a connection to the one that hangs
            try:
                outcomes.append(reload(server, {"model_type": "xgboost"}))
            except OSError:
                continue
            break
        [(status, answer)] = outcomes
        assert status == 409
        assert "workers did not prepare within 700 ms" in answer["detail"]
        assert json.loads((tmp_path / "state" / "state.json").read_text()) == {"generation": 2}
        stuck.wait(10)
        until(lambda: len(workers_of(server)) == 3, server)
        until(lambda: reload(server, {"model_type": "xgboost"})[1].get("workers") == 3, server)
        assert {name for name, _ in who_answers(server)} == {"xgboost"}


def test_a_full_disk(tmp_path: Path) -> None:
    """What could not be remembered is not done; once there is room again, it is."""
    state = tmp_path / "state"
    with ServerProcess(workers=2, state_dir=state) as server:
        (state / ".state.json.new").symlink_to("/dev/full")
        status, answer = reload(server, {"model_type": "xgboost"})
        assert (status, answer["detail"]) == (
            409,
            "the state folder cannot be written: No space left on device",
        )
        assert who_answers(server) == {("heuristic", "1")}
        assert ready(server)
        assert "refused: the state folder cannot be written" in server.stderr
        assert json.loads((state / "state.json").read_text()) == {"generation": 1}
        (state / ".state.json.new").unlink()
        assert reload(server, {"model_type": "xgboost"})[0] == 200
        assert who_answers(server) == {("xgboost", "2")}


def test_an_entry_that_is_too_big(tmp_path: Path) -> None:
    """Refused by its size, before two gigabytes are read."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    with ServerProcess(workers=2, registry=registry, models=["heuristic"]) as server:
        os.truncate(registry / "xgboost" / "1" / "model.onnx", MAX_FILE_BYTES + 1)
        status, answer = reload(server, {"model_type": "xgboost"})
        assert status == 409
        assert "xgboost@1: model.onnx is no regular file of at most" in answer["detail"]
        assert who_answers(server) == {("heuristic", "1")}
        assert ready(server)


def test_an_entry_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Rewritten without a pause: each reload is done or refused, and always for all workers alike."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    file = registry / "xgboost" / "1" / "model.onnx"
    sound, stop = file.read_bytes(), threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            file.write_bytes(sound[: len(sound) // 2])
            file.write_bytes(sound)

    with ServerProcess(workers=2, registry=registry, models=["heuristic"]) as server:
        writer = threading.Thread(target=rewrite)
        writer.start()
        statuses = set()
        for number in range(12):
            name = "xgboost" if number % 2 == 0 else "heuristic"
            status, answer = reload(server, {"model_type": name})
            statuses.add(status)
            assert status == 200 or "xgboost@1" in answer["detail"], answer
            served = who_answers(server, times=12)
            assert len(served) == 1, served
            assert status != 200 or {model for model, _ in served} == {name}
        stop.set()
        writer.join()
        assert statuses <= {200, 409}


def test_sigterm_in_the_middle_of_reloads(tmp_path: Path) -> None:
    """It ends in order; what was answered with 200 is what a restart serves."""
    state = tmp_path / "state"
    with ServerProcess(workers=3, state_dir=state) as server:
        acknowledged = [(1, "heuristic")]

        def switch() -> None:
            for name in MODELS * 1000:
                status, answer = reload_anyhow(server, name)
                if status != 200:
                    return
                acknowledged.append((answer["generation"], name))

        switcher = threading.Thread(target=switch)
        switcher.start()
        until(lambda: len(acknowledged) > 5, server)
        os.kill(server.pid, signal.SIGTERM)
        switcher.join(20)
        assert not switcher.is_alive()
        main = psutil.Process(server.pid)
        until(lambda: main.status() == psutil.STATUS_ZOMBIE, server)  # a second signal would cut it short
    assert server.exit_code == 0, server.stderr[-3000:]
    assert "Traceback" not in server.stderr
    generation, name = acknowledged[-1]
    remembered = json.loads((state / "state.json").read_text())
    assert remembered["generation"] >= generation
    if remembered["generation"] == generation:
        assert remembered["override"] == {"model_type": name}
    with ServerProcess(workers=3, state_dir=state) as again:
        expected = (remembered["override"]["model_type"], str(remembered["generation"] + 1))
        assert who_answers(again) == {expected}
