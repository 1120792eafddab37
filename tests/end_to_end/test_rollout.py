"""``mps rollout`` on a real server with two workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.process import ServerProcess
from tests.end_to_end.test_serving import call
from tests.end_to_end.test_switching import reload, who_answers

pytestmark = pytest.mark.usefixtures("untraced")


def started(**settings: Any) -> ServerProcess:
    """A forest as the champion; a busy machine aborts nothing."""
    return ServerProcess(workers=2, model_type="random_forest", abort_p99_ms=1000, **settings)


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """With a state of its own."""
    with started() as running:
        yield running


def mps_rollout(
    server: ServerProcess, *arguments: str, token: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "server", "rollout", *arguments, "--url", server.url],
        env={**os.environ, "MPS_ADMIN_TOKEN": server.token if token is None else token},
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextlib.contextmanager
def waiting(server: ServerProcess, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``mps rollout start ... --wait``, while it waits."""
    with subprocess.Popen(
        [sys.executable, "-m", "server", "rollout", "start", *arguments, "--wait", "--url", server.url],
        env={**os.environ, "MPS_ADMIN_TOKEN": server.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def report(server: ServerProcess) -> Any:
    """``GET /traffic``."""
    return json.loads(call(server, "GET", "/traffic")[2])


def test_from_the_first_step_to_the_last(tmp_path: Path) -> None:
    """Steps are told; then every worker serves the new champion, and so does a server that is restarted."""
    with started(state_dir=tmp_path) as server:
        done = mps_rollout(server, "start", "xgboost", "--steps", "10,50,100", "--hold", "500ms", "--wait")
        assert (done.returncode, done.stderr) == (0, "")
        told, steps = (
            done.stdout.splitlines(),
            [
                "generation 2: xgboost@1 gets 10 % of random_forest's traffic; next 50 % in 0.5 s",
                "generation 3: xgboost@1 gets 50 % of random_forest's traffic; next 100 % in 0.5 s",
                "generation 4: xgboost@1 answers everything",
            ],
        )
        assert told == [step for step in steps if step in told]  # one so short may pass between two looks
        assert told[-1] == steps[-1]
        assert who_answers(server) == {("xgboost", "4")}
        health = json.loads(call(server, "GET", "/health")[2])
        assert (health["model"], health["generation"]) == ("xgboost", 4)
        assert "step 3 of 3, 100 %" in mps_rollout(server, "status").stdout
    remembered = json.loads((tmp_path / "state.json").read_bytes())
    assert remembered["override"] == {"model_type": "xgboost@1"}
    assert remembered["rollout"]["ended"] == "done"
    with started(state_dir=tmp_path) as server:
        assert who_answers(server) == {("xgboost", "5")}
        assert mps_rollout(server, "abort").stderr == "mps rollout: 409: no rollout is under way\n"


def test_given_up_in_the_middle(server: ServerProcess) -> None:
    """The champion has everything, at once; whoever waited is told why."""
    with waiting(server, "xgboost", "--steps", "50,100", "--hold", "1h") as follower:
        assert follower.stdout
        assert follower.stdout.readline().startswith("generation 2: xgboost@1 gets 50 %")
        assert who_answers(server) == {("xgboost", "2"), ("random_forest", "2")}
        check_status(mps_rollout(server, "status", token=""))
        check_nobody_else_decides(server)
        gone = mps_rollout(server, "abort")
        assert (gone.returncode, gone.stderr) == (0, "")
        assert gone.stdout == "generation 3: random_forest@1 answers everything\n"
        assert who_answers(server) == {("random_forest", "3")}
        rest = follower.communicate(timeout=30)
    reason = "xgboost@1: aborted: on request; random_forest@1 answers everything"
    assert (follower.returncode, *rest) == (1, "", f"mps rollout: {reason}\n")
    assert "step 1 of 2, 50 % until" in mps_rollout(server, "status").stdout
    assert reload(server, {"model_type": "heuristic"})[0] == 200


def check_status(shown: subprocess.CompletedProcess[str]) -> None:
    """At the first step, after forty requests."""
    assert (shown.returncode, shown.stderr) == (0, "")
    first, generation, headings, *table = shown.stdout.splitlines()
    assert first.startswith("rollout of xgboost@1 from random_forest: step 1 of 2, 50 % since ")
    assert first.endswith(": under way, 3600 s each")
    assert generation == "generation 2:"
    assert headings.startswith("variant")
    rows = [line.split() for line in table]
    assert [row[1:3] for row in rows] == [["xgboost@1", "50"], ["random_forest@1", "50"]]
    assert sum(int(row[4]) for row in rows) == 40


def check_nobody_else_decides(server: ServerProcess) -> None:
    """While one is under way."""
    status, answer = reload(server, {"model_type": "heuristic"})
    assert status == 409
    assert "abort it first" in answer["detail"]
    again = mps_rollout(server, "start", "decision_tree")
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (1, "", 1)
    assert again.stderr.startswith("mps rollout: 409: a rollout is under way already; abort it first")


def test_what_is_refused_changes_nothing(server: ServerProcess) -> None:
    """One line on stderr with the status, and code 1."""
    for arguments, token, words in (
        (["start", "nope"], None, "mps rollout: 422: model: no model 'nope'"),
        (
            ["start", "random_forest"],
            None,
            "mps rollout: 422: model: random_forest@1 is the champion already",
        ),
        (["start", "xgboost"], "wrong", "mps rollout: 401: expected the header"),
        (["abort"], "wrong", "mps rollout: 401: expected the header"),
        (["abort"], None, "mps rollout: 409: no rollout is under way"),
    ):
        done = mps_rollout(server, *arguments, token=token)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(words), done.stderr
    assert mps_rollout(server, "status").stdout == (
        "no rollout\ngeneration 1: random_forest@1 answers everything\n"
    )


def test_it_goes_on_after_a_crash(tmp_path: Path) -> None:
    """The main process is killed at the first step: the next server begins there, and comes to the end."""
    with started(state_dir=tmp_path) as server:
        assert mps_rollout(server, "start", "xgboost", "--steps", "10,100", "--hold", "2s").returncode == 0
        os.kill(server.pid, signal.SIGKILL)
    assert server.exit_code == -signal.SIGKILL
    rollout = json.loads((tmp_path / "state.json").read_bytes())["rollout"]
    assert (rollout["step"], rollout.get("ended", "")) == (0, "")
    with started(state_dir=tmp_path) as server:
        deadline = time.monotonic() + 20
        while report(server)["rollout"]["ended"] != "done":
            assert time.monotonic() < deadline, server.stderr
            time.sleep(0.05)
        assert "serving generation 3: random_forest@1" in server.stderr
        assert who_answers(server) == {("xgboost", "4")}
