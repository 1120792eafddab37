"""Which cores serve and which load."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bench.load.cores import Cores, pinned, split


@pytest.mark.parametrize(
    ("wanted", "available", "expected", "words"),
    [
        (1, {0, 1}, Cores((0,), (1,)), "server on 1 core, load generator on 1 core"),
        (2, {3, 5, 7, 9}, Cores((3, 5), (7, 9)), "server on 2 cores, load generator on 2 cores"),
        (1, {4}, Cores((4,), (4,)), "server and load generator shared 1 core"),
        (2, {0, 1}, Cores((0, 1), (0, 1)), "server and load generator shared 2 cores"),
    ],
)
def test_the_load_gets_what_the_server_leaves(
    wanted: int, available: set[int], expected: Cores, words: str
) -> None:
    """Where nothing is left they share, and the report says so."""
    cores = split(wanted, available)
    assert (cores, str(cores)) == (expected, words)
    assert cores.shared is (cores.server == cores.load)


def test_children_stay_where_they_were_started() -> None:
    """And this process goes back to where it was."""
    before = os.sched_getaffinity(0)
    one = max(before)
    with pinned([one]):
        script = "import json, os; print(json.dumps(sorted(os.sched_getaffinity(0))))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert json.loads(done.stdout) == [one]
    assert os.sched_getaffinity(0) == before
    assert split(1).server[0] == min(before)
