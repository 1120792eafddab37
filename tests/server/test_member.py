"""A worker's side of switching, against a scripted supervisor."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.counters import create
from server.generation import Generation, Serving
from server.plan import Plan, draw
from server.settings import resolve
from server.switching import messages
from server.switching.member import Member
from server.switching.messages import (
    Abort,
    Commit,
    Committed,
    FromWorker,
    Hello,
    Message,
    Prepare,
    Prepared,
    Refused,
    Up,
    Welcome,
)


class Script:
    """A supervisor that says what the test tells it to, and one real worker thread."""

    def __init__(self, folder: Path) -> None:
        address = str(folder / "control")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        self.serving = Serving()
        member = Member(address, self.serving)
        self.joined = threading.Event()
        threading.Thread(target=self.join, args=(member,), daemon=True).start()
        self.socket, _ = listener.accept()
        self.socket.settimeout(10)
        self.lines = self.socket.makefile("rb")
        listener.close()
        assert isinstance(self.hear(), Hello)
        self.say(Welcome(0, str(create(1))))

    def join(self, member: Member) -> None:
        member.join()
        self.joined.set()
        member.up()

    def say(self, message: Message) -> None:
        self.socket.sendall(messages.line(message))

    def hear(self, of_being_up: bool = False) -> FromWorker:
        """The next message; that the worker is up comes whenever its thread gets to it."""
        heard: FromWorker = messages.decode_from_worker(self.lines.readline())
        return self.hear() if isinstance(heard, Up) and not of_being_up else heard

    def hang_up(self) -> None:
        self.lines.close()
        self.socket.close()


@pytest.fixture
def told_to_stop() -> Iterator[threading.Event]:
    """SIGTERM, which a worker sends itself when it loses its supervisor, is noted instead of obeyed."""
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def script(tmp_path: Path, told_to_stop: threading.Event) -> Iterator[Script]:
    """A worker that has said hello."""
    script = Script(tmp_path)
    yield script
    script.hang_up()
    assert told_to_stop.wait(5)


def plan(generation: int = 1, **settings: Any) -> Plan:
    """A plan over the shipped registry."""
    environ = {f"MPS_{name.upper()}": value for name, value in settings.items()}
    return draw(resolve(environ, None, {}), generation)


def test_it_joins_by_preparing_and_committing(script: Script) -> None:
    """Nothing is served before the first commit, and joining ends with it."""
    script.say(Prepare(1, plan()))
    assert script.hear() == Prepared(1)
    assert not script.serving.ready
    assert not script.joined.is_set()
    script.say(Commit(1))
    assert script.hear() == Committed(1)
    assert script.joined.wait(5)
    assert script.hear(of_being_up=True) == Up()
    assert script.serving.ready
    assert script.serving.generation.number == 1


def test_what_is_aborted_is_never_served(script: Script) -> None:
    """The next attempt starts from what is served."""
    script.say(Prepare(1, plan()))
    script.hear()
    script.say(Commit(1))
    script.hear()
    script.say(Prepare(2, plan(2, model_type="xgboost")))
    assert script.hear() == Prepared(2)
    script.say(Abort(2))
    script.say(Prepare(3, plan(2, model_type="random_forest")))
    assert script.hear() == Prepared(3)
    assert script.serving.generation.number == 1
    script.say(Commit(3))
    assert script.hear() == Committed(3)
    assert script.serving.generation.champion.model.manifest.name == "random_forest"


def test_unchanged_models_are_carried_over(script: Script) -> None:
    """The new generation has the very sessions of the old one, under new headers."""
    for attempt in (1, 2):
        script.say(Prepare(attempt, plan(attempt)))
        script.hear()
        script.say(Commit(attempt))
        script.hear()
        generation = script.serving.generation
        assert dict(generation.champion.headers)["X-Model-Generation"] == str(attempt)
        if attempt == 1:
            models = {name: lane.model for name, lane in generation.lanes.items()}
    assert {name: lane.model for name, lane in script.serving.generation.lanes.items()} == models


def test_it_refuses_what_changed_since_it_was_planned(script: Script) -> None:
    """Every worker loads the bytes that were planned, or none."""
    drawn = plan()
    other = msgspec.structs.replace(drawn.models[0], seal="0" * 64)
    script.say(Prepare(1, msgspec.structs.replace(drawn, models=(other, *drawn.models[1:]))))
    answer = script.hear()
    assert isinstance(answer, Refused)
    assert "changed while it was being loaded" in answer.reason


def test_it_survives_whatever_goes_wrong_in_prepare(script: Script) -> None:
    """An error that nobody thought of is a refusal, told without its insides, and the worker goes on."""
    script.say(Prepare(1, msgspec.structs.replace(plan(), models=())))
    answer = script.hear()
    assert isinstance(answer, Refused)
    assert answer.reason == "a worker failed to load it (KeyError); see its log"
    script.say(Prepare(2, plan()))
    assert script.hear() == Prepared(2)


def test_it_leaves_when_the_supervisor_is_gone(script: Script, told_to_stop: threading.Event) -> None:
    """No switch could reach it any more; until it is gone it is not ready."""
    script.say(Prepare(1, plan()))
    script.hear()
    script.say(Commit(1))
    script.hear()
    script.hang_up()
    assert told_to_stop.wait(5)
    assert not script.serving.ready


def test_it_leaves_when_it_does_not_understand(script: Script, told_to_stop: threading.Event) -> None:
    """A supervisor of another version is no supervisor."""
    script.socket.sendall(b"what?\n")
    assert told_to_stop.wait(5)


def test_what_was_prepared_is_not_loaded_again(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that joins while models are switched prepares again and again: each time only what is new."""
    prepared = []
    prepare = script.serving.prepare

    def noting(*given: Any) -> Generation:
        prepared.append(prepare(*given))
        return prepared[-1]

    monkeypatch.setattr(script.serving, "prepare", noting)
    for attempt, model in ((1, "heuristic"), (2, "xgboost")):
        script.say(Prepare(attempt, plan(attempt, model_type=model)))
        assert script.hear() == Prepared(attempt)
    one, two = prepared
    assert {name: lane.model for name, lane in one.lanes.items()} == {
        name: lane.model for name, lane in two.lanes.items()
    }
