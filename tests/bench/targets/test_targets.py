"""Every target, running: it answers right, also under load, and leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import LoadFailed
from bench.load.driver import drive
from bench.load.spec import Load
from bench.targets.node import Fastify, cache, folder
from bench.targets.pythons import BareWsgi
from bench.targets.questions import batch, singles
from bench.targets.roster import called, chosen
from bench.targets.shelf import Shelf
from tests.bench.load.impostor import Impostor, Reply, right

NAMES = [name for name in chosen() if name != Fastify.name or folder(cache()).is_dir()]
"""Fastify where it is: it takes some hundred megabytes, which ``mps bench compare`` downloads."""


@pytest.mark.parametrize("name", NAMES)
def test_a_target_serves_the_model(name: str, shelf: Shelf, leftovers: Callable[[], list[Any]]) -> None:
    """All 150 rows one by one, the same and more at once, and both again and again under load."""
    [target], left_out = called(chosen([name]), shelf)
    with target:
        asked = [singles(target, shelf.labels)]
        assert len(asked[0]) == 150
        if target.batches:
            asked.append(batch(target, shelf.labels, rows=200))
        for exchanges in asked:
            timings = drive(Load(target.port, exchanges, 2, 0.3, 0.1), os.sched_getaffinity(0))
            assert (timings.failures, timings.faults) == (0, [])
            assert timings.accepted is not None
        assert all(number[0].isdecimal() for number in target.versions.values())
    assert (target.name, left_out) == (name, {})
    assert target.about
    assert leftovers() == []


def test_the_trainers_labels_are_not_all_the_same(shelf: Shelf) -> None:
    """Else a constant would answer right."""
    assert (len(shelf.labels), set(shelf.labels)) == (150, {"setosa", "versicolor", "virginica"})


def test_a_wrong_answer_ends_it_before_it_is_timed(shelf: Shelf) -> None:
    """One label of 150 that is not the trainer's is enough."""
    wrong = (*shelf.labels[:-1], "setosa")
    with BareWsgi(shelf) as target:
        with pytest.raises(LoadFailed, match=r'bare wsgi: status 200: \{"prediction":"virginica"\}'):
            singles(target, wrong)
        with pytest.raises(LoadFailed, match=r'bare wsgi: status 200: \{"predictions":'):
            batch(target, wrong, rows=150)
    with pytest.raises(LoadFailed, match=r"bare wsgi: no answer: .*refused"):
        singles(target, shelf.labels)


def test_what_is_no_json_is_wrong(shelf: Shelf) -> None:
    """Whatever its status says."""
    target = BareWsgi(shelf)
    with Impostor(lambda *_: Reply([right(b"hello")])) as impostor:
        target.port = impostor.port
        with pytest.raises(LoadFailed, match="bare wsgi: status 200: hello"):
            singles(target, shelf.labels)


def test_a_target_that_is_not_known_is_told() -> None:
    """With the names of those that are."""
    with pytest.raises(LoadFailed, match="no target 'django'; there are: ours, ours asgi, bare rsgi"):
        chosen(["ours", "django"])
