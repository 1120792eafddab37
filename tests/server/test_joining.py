"""Workers that join the supervisor: at the start, during a switch, as a replacement; and strangers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from server.errors import ReloadRefused
from server.switching import messages, workers
from server.switching.messages import Committed, Hello, Prepared, Refused, Up
from tests.server.stage import Stage, until


def test_a_reload_waits_for_workers_that_are_starting(pair: Stage) -> None:
    """Right after the start it is answered when every worker is up and switched, or refused in time."""
    one = pair.joined()
    with pytest.raises(ReloadRefused, match="the workers are not all up"):
        pair.reload().get()
    two = pair.enter()
    two.obey()
    outcome = pair.reload()
    time.sleep(0.2)
    two.say(Up())
    for worker in (one, two):
        worker.say(Prepared(worker.expect_prepare().attempt))
    for worker in (one, two):
        worker.say(Committed(worker.expect_commit().attempt))
    assert outcome.get().workers == 2


def test_a_worker_that_joins_meanwhile_gets_the_newest(pair: Stage) -> None:
    """It loaded what was committed when it came; when that has changed, it loads again before it serves."""
    one = pair.joined()
    pair.joined().leave()
    two = pair.enter()
    slow = two.expect_prepare()
    outcome = pair.reload(model_type="xgboost")
    one.obey()
    assert outcome.get().workers == 1
    two.say(Prepared(slow.attempt))
    assert two.obey().plan.generation == 2


def test_a_first_worker_that_cannot_load_ends_the_server(stage: Stage) -> None:
    """The reason is kept for the last line; nothing is retried for ever."""
    worker = stage.enter()
    worker.say(Refused(worker.expect_prepare().attempt, "a flipped byte"))
    assert stage.fatal.wait(5)
    assert stage.supervisor.fatal == "a flipped byte"


def test_a_later_worker_that_cannot_load_tries_again(pair: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others serve; it takes no traffic until it can load what is committed."""
    monkeypatch.setattr(workers, "JOIN_RETRY_S", 0.05)
    pair.joined()
    late = pair.enter()
    late.say(Refused(late.expect_prepare().attempt, "disk gone"))
    assert late.obey().plan.generation == 1
    assert not pair.fatal.is_set()


def test_a_worker_that_leaves_while_joining_is_forgotten(pair: Stage) -> None:
    """Its seat is free again."""
    for _ in range(4):
        worker = pair.enter()
        worker.expect_prepare()
        worker.leave()
    until(lambda: len(pair.supervisor.workers.free_seats) == 2)
    assert not pair.supervisor.workers.members


def test_a_joining_worker_that_does_not_confirm_is_killed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot block reloads, nor serve unseen."""
    monkeypatch.setattr(workers, "COMMIT_DEADLINE_S", 0.2)
    worker = stage.enter()
    worker.say(Prepared(worker.expect_prepare().attempt))
    until(lambda: not worker.alive())
    assert worker.process.returncode == -signal.SIGKILL


def test_a_replacement_waits_for_a_seat(pair: Stage) -> None:
    """Two processes never write the same counters."""
    one, two = pair.joined(), pair.joined()
    third = socket.socket(socket.AF_UNIX)
    third.settimeout(0.3)
    third.connect(pair.address)
    third.sendall(messages.line(Hello(one.process.pid)))
    with pytest.raises(TimeoutError):
        third.recv(1)
    two.leave()
    third.settimeout(5)
    assert b"Welcome" in third.recv(4096)
    third.close()


def test_a_stranger_on_the_control_socket_is_harmless(stage: Stage) -> None:
    """What is not understood is dropped, and the supervisor goes on."""
    stranger = socket.socket(socket.AF_UNIX)
    stranger.connect(stage.address)
    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert stranger.recv(1) == b""
    stranger.close()
    assert stage.joined().alive()


def test_another_user_is_turned_away(stage: Stage) -> None:
    """The control address is for the server's own user; the kernel says who calls."""
    script = (
        "import os, socket, sys; os.setuid(12345); s = socket.socket(socket.AF_UNIX);"
        "s.connect('\\0' + sys.argv[1]); print(s.recv(1))"
    )
    done = subprocess.run([sys.executable, "-c", script, stage.address[1:]], capture_output=True, text=True)
    if os.getuid():
        assert "PermissionError" in done.stderr  # only root can become somebody else
    else:
        assert done.stdout == "b''\n", done.stderr
