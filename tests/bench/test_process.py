"""A real server in its own processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.errors import ServerDied
from bench.process import ServerProcess

Leftovers = Callable[[], list[Any]]


def get(server: ServerProcess, path: str, **headers: str) -> tuple[int, Any]:
    connection = server.connect()
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_serves_what_it_is_told_to(leftovers: Leftovers) -> None:
    """The block begins with a ready server that has the settings given, and leaves no process behind."""
    with ServerProcess(workers=2, model_type="xgboost", models=["heuristic", "xgboost"]) as server:
        status, health = get(server, "/health")
        _, models = get(server, "/models")
        _, config = get(server, "/config", Authorization=f"Bearer {server.token}")
        assert (status, health["model"], server.url) == (200, "xgboost", f"http://127.0.0.1:{server.port}")
        assert [model["name"] for model in models["models"]] == ["heuristic", "xgboost"]
        assert config["settings"]["workers"] == {"value": 2, "source": "environment"}
        assert psutil.Process(server.pid).is_running()
        assert server.exit_code is None
        assert "serving generation 1: xgboost@1" in server.stderr
    assert leftovers() == []
    assert server.exit_code == 0
    assert "serving generation 1: xgboost@1" in server.stderr


def test_a_broken_start_says_why(leftovers: Leftovers) -> None:
    """A server that ends before it is ready raises with its own words."""
    with pytest.raises(ServerDied, match="no model 'nope'"), ServerProcess(model_type="nope"):
        pass
    assert leftovers() == []


def test_waiting_has_an_end(leftovers: Leftovers) -> None:
    """A server that is not ready in time is stopped, and the error says so."""
    with pytest.raises(ServerDied, match=r"not ready within 0\.01 s"), ServerProcess(ready_s=0.01):
        pass
    assert leftovers() == []


def test_a_server_that_does_not_stop_is_killed(leftovers: Leftovers) -> None:
    """One that ignores the request to stop is killed, workers and all."""
    with ServerProcess(workers=2, stop_s=0.3) as server:
        workers = psutil.Process(server.pid).children(recursive=True)
        os.kill(server.pid, signal.SIGSTOP)
    assert len(workers) >= 2
    assert server.exit_code == -signal.SIGKILL
    psutil.wait_procs(workers, timeout=5)
    assert [worker for worker in workers if worker.is_running()] == []
    assert leftovers() == []


def test_the_surroundings_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Inherited settings and a file in the working folder are not the server's; None leaves one unset."""
    monkeypatch.setenv("MPS_MODEL_TYPE", "nope")
    (tmp_path / "mps.toml").write_text('model_type = "nope"')
    monkeypatch.chdir(tmp_path)
    with ServerProcess(admin_token=None) as server:
        assert server.token == ""
        assert get(server, "/health")[1]["model"] == "heuristic"
        assert get(server, "/config")[0] == 403


def test_a_file_can_be_named(tmp_path: Path) -> None:
    """``config`` is the server's TOML file, and a state folder can be kept."""
    file = tmp_path / "own.toml"
    file.write_text('model_type = "decision_tree"')
    with ServerProcess(config=file, state_dir=tmp_path / "state") as server:
        assert get(server, "/health")[1]["model"] == "decision_tree"
    assert (tmp_path / "state").is_dir()
