"""A process that listens on a port."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import ServerDied
from bench.targets import child
from bench.targets.child import Child

LISTEN = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kept = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
time.sleep(60)
"""
Leftovers = Callable[[], list[Any]]


def python(script: str, ready_s: float = 10) -> Child:
    return Child([sys.executable, "-c", script], {}, ready_s)


def test_a_broken_start_says_why(leftovers: Leftovers) -> None:
    """With its own words, or with the word that there were none."""
    with pytest.raises(ServerDied, match="ended before it listened: no such model"):
        python("raise SystemExit('no such model')").__enter__()
    with pytest.raises(ServerDied, match=r"ended before it listened: \(silent\)"):
        python("").__enter__()
    assert leftovers() == []


def test_waiting_has_an_end(leftovers: Leftovers) -> None:
    """One that does not come to listen is stopped."""
    with pytest.raises(ServerDied, match=r"did not listen within 0\.1 s"):
        python("import time; time.sleep(60)", ready_s=0.1).__enter__()
    assert leftovers() == []


def test_one_that_does_not_stop_is_killed(leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time to stop by itself."""
    monkeypatch.setattr(child, "STOP_S", 0.1)
    with python(LISTEN):
        assert len(leftovers()) == 1
    assert leftovers() == []
