"""The supervisor against scripted workers: what it decides when a worker refuses, hangs, or is gone."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry.manifest import Feature
from registry.store import Store
from server.errors import ReloadRefused, SettingsError, Unavailable
from server.settings import SHIPPED_REGISTRY, resolve
from server.switching import messages, request, workers
from server.switching.messages import (
    Abort,
    Committed,
    Hello,
    Prepared,
    Refused,
    Reload,
    Up,
)
from server.switching.state import Remembered, State
from server.switching.supervisor import Supervisor
from tests.server.homemade import classifier, regression, shelve
from tests.server.stage import Stage, until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A supervisor for one worker."""
    stage = Stage(tmp_path / "state")
    yield stage
    stage.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Stage]:
    """A supervisor for two workers."""
    stage = Stage(tmp_path / "state", MPS_WORKERS="2")
    yield stage
    stage.close()


def test_a_reload_is_done_when_every_worker_has_committed(pair: Stage) -> None:
    """Two phases; 200 only after the last confirmation; the state is on disk before the first commit."""
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    attempts = [one.expect_prepare(), two.expect_prepare()]
    assert attempts[0] == attempts[1]
    assert attempts[0].plan.champion.name == "xgboost"
    one.say(Prepared(attempts[0].attempt))
    time.sleep(0.2)
    assert pair.remembered()["generation"] == 1
    two.say(Prepared(attempts[0].attempt))
    one.expect_commit()
    assert pair.remembered() == {"generation": 2, "override": {"model_type": "xgboost"}}
    one.say(Committed(attempts[0].attempt))
    assert not outcome.done.wait(0.3), "answered before the second worker committed"
    two.expect_commit()
    two.say(Committed(attempts[0].attempt))
    done = outcome.get()
    assert (done.generation, done.model, done.version, done.workers) == (2, "xgboost", 1, 2)


def test_one_refusal_aborts_everywhere(pair: Stage) -> None:
    """A worker that cannot load it stops it for all; the reason is the answer; nothing is remembered."""
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    attempt = one.expect_prepare().attempt
    one.say(Prepared(attempt))
    two.expect_prepare()
    two.say(Refused(attempt, "golden rows fail"))
    for worker in (one, two):
        assert worker.hear() == Abort(attempt)
    with pytest.raises(ReloadRefused, match="golden rows fail"):
        outcome.get()
    assert pair.remembered() == {"generation": 1}
    assert pair.supervisor.committed.champion.name == "heuristic"


def test_a_worker_that_hangs_in_prepare_meets_the_deadline(pair: Stage) -> None:
    """The deadline aborts; the late answer to the old attempt is not taken for one to the next."""
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    hung = one.expect_prepare().attempt
    one.say(Prepared(hung))
    two.expect_prepare()
    with pytest.raises(ReloadRefused, match="1 of 2 workers did not prepare within 1500 ms"):
        outcome.get()
    for worker in (one, two):
        assert worker.hear() == Abort(hung)
    assert one.alive()
    assert two.alive()
    again = pair.reload(model_type="xgboost")
    attempt = two.expect_prepare().attempt
    two.say(Prepared(hung))
    one.say(Prepared(one.expect_prepare().attempt))
    assert not again.done.wait(0.2), "a stale answer was counted"
    two.say(Prepared(attempt))
    for worker in (one, two):
        worker.say(Committed(worker.expect_commit().attempt))
    assert again.get().generation == 2


def test_a_worker_that_dies_in_prepare_is_left_out(pair: Stage) -> None:
    """The others go on; its replacement joins at what was committed."""
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    two.expect_prepare()
    two.leave()
    one.obey()
    assert outcome.get().workers == 1
    replacement = pair.enter()
    assert replacement.obey().plan.generation == 2


def test_a_worker_that_dies_after_the_write_changes_nothing(pair: Stage) -> None:
    """The switch has happened; the replacement joins at the new generation."""
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    for worker in (one, two):
        worker.say(Prepared(worker.expect_prepare().attempt))
    two.expect_commit()
    two.leave()
    one.say(Committed(one.expect_commit().attempt))
    assert outcome.get().workers == 1
    assert pair.enter().obey().plan.champion.name == "xgboost"


def test_a_worker_that_does_not_confirm_is_killed(pair: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may serve the old generation, so it is gone before the reload is answered."""
    monkeypatch.setattr(workers, "COMMIT_DEADLINE_S", 0.3)
    one, two = pair.joined(), pair.joined()
    outcome = pair.reload(model_type="xgboost")
    for worker in (one, two):
        worker.say(Prepared(worker.expect_prepare().attempt))
    one.say(Committed(one.expect_commit().attempt))
    assert outcome.get().workers == 1
    assert not two.alive()
    assert one.alive()


def test_a_worker_whose_connection_breaks_is_killed(stage: Stage) -> None:
    """No switch could reach it any more."""
    worker = stage.joined()
    worker.lines.close()
    worker.socket.close()
    until(lambda: not worker.alive() and not stage.supervisor.workers.members)
    assert worker.process.returncode == -signal.SIGKILL


def test_a_state_that_cannot_be_written_aborts_everywhere(stage: Stage) -> None:
    """An override that would be forgotten is refused; the workers keep what they have."""
    worker = stage.joined()
    (stage.folder / ".state.json.new").mkdir()
    outcome = stage.reload(model_type="xgboost")
    attempt = worker.expect_prepare().attempt
    worker.say(Prepared(attempt))
    assert worker.hear() == Abort(attempt)
    with pytest.raises(ReloadRefused, match="state folder cannot be written"):
        outcome.get()
    assert stage.remembered()["generation"] == 1


def test_nobody_to_prepare_is_a_refusal(stage: Stage) -> None:
    """A generation that nobody has proved is not committed."""
    stage.joined().leave()
    until(lambda: not stage.supervisor.workers.members)
    with pytest.raises(ReloadRefused, match="no worker is up"):
        stage.reload().get()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "nope"}, "no model 'nope'"),
        ({"modle_type": "a"}, "did you mean"),
        ({"workers": 3}, "run time"),
    ],
)
def test_a_wrong_request_reaches_no_worker(stage: Stage, change: dict[str, Any], word: str) -> None:
    """What the supervisor can tell itself is refused before any worker hears of it."""
    worker = stage.joined()
    with pytest.raises(SettingsError, match=word):
        stage.reload(**change).get()
    outcome = stage.reload()
    assert worker.obey().plan.champion.name == "heuristic"
    assert outcome.get().generation == 2


def test_a_half_written_file_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    """A configuration that cannot be read is a refusal; once it is whole it is applied."""
    worker = stage.joined()
    file = tmp_path / "mps.toml"
    stage.environ["MPS_CONFIG"] = str(file)
    file.write_text('model_type = "xgb')
    with pytest.raises(SettingsError, match="not TOML"):
        stage.reload().get()
    file.write_text('model_type = "xgboost"\nworkers = 2\napi_port = 9999\n')
    outcome = stage.reload()
    assert worker.obey().plan.champion.name == "xgboost"
    assert outcome.get().needs_restart == ("api_port",)


def test_an_override_outlives_the_server_and_can_be_removed(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart finds it and says so; ``null`` forgets it; generations go on counting."""
    worker = stage.joined()
    outcome = stage.reload(model_type="xgboost")
    worker.obey()
    outcome.get()
    again = Supervisor(stage.resolver, State(stage.folder), stage.fatal.set)
    again._remember_start()
    assert (again.committed.generation, again.committed.champion.name) == (3, "xgboost")
    assert again.committed.resolved.sources["model_type"] == "override"
    assert "still in force: {'model_type': 'xgboost'}" in caplog.text
    outcome = stage.reload(model_type=None)
    assert worker.obey().plan.champion.name == "heuristic"
    assert outcome.get().generation == 3
    assert "override" not in stage.remembered()


def test_reloads_take_turns(stage: Stage) -> None:
    """Twenty at once: each is a generation of its own, one after the other."""
    worker = stage.joined()
    outcomes = [stage.reload(model_type="xgboost") for _ in range(20)]
    generations = [worker.obey().plan.generation for _ in outcomes]
    assert generations == list(range(2, 22))
    assert sorted(outcome.get().generation for outcome in outcomes) == generations


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


def test_who_waits_too_long_for_a_turn_is_refused(stage: Stage) -> None:
    """A stuck reload does not hold the next one for ever."""
    worker = stage.joined()
    stuck = stage.reload()
    attempt = worker.expect_prepare().attempt
    worker.say(Prepared(attempt))
    worker.expect_commit()
    with pytest.raises(ReloadRefused, match="another reload is under way, still so after 1500 ms"):
        stage.reload().get()
    worker.say(Committed(attempt))
    assert stuck.get().generation == 2


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


def test_another_signature_is_refused_unless_meant(tmp_path: Path) -> None:
    """A champion with other features changes what clients must send; that has to be said."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    store = Store(registry)
    rename(store, "heuristic", "inches", lambda feature: msgspec.structs.replace(feature, unit="inch"))
    rename(store, "heuristic", "narrow", lambda feature: msgspec.structs.replace(feature, dtype="float32"))
    rename(store, "heuristic", "whole", lambda feature: msgspec.structs.replace(feature, dtype="int64"))
    stage = Stage(tmp_path / "state", MPS_REGISTRY=str(registry))
    worker = stage.joined()
    with pytest.raises(
        ReloadRefused, match=r"inches@1 has another signature than heuristic@1.*allow_signature"
    ):
        stage.reload(model_type="inches").get()
    for model, allow in (("narrow", False), ("inches", True), ("inches", False)):
        outcome = stage.reload(allow, model_type=model)
        assert worker.obey().plan.champion.name == outcome.get().model == model
    stage.close()


def test_a_named_model_keeps_its_signature_too(tmp_path: Path) -> None:
    """A promoted version with other features changes ``/models/{name}/predict``, champion or not."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    stage = Stage(tmp_path / "state", MPS_REGISTRY=str(registry))
    worker = stage.joined()
    store = Store(registry)
    rename(store, "xgboost", "xgboost", lambda feature: msgspec.structs.replace(feature, unit="inch"))
    with pytest.raises(ReloadRefused, match="/models/xgboost: xgboost@2 has another"):
        stage.reload().get()
    outcome = stage.reload(True)
    worker.obey()
    assert outcome.get().generation == 2
    stage.close()


def test_another_kind_of_answer_is_refused_unless_meant(tmp_path: Path) -> None:
    """A regression for a classifier, labels of another type, or no probabilities any more."""
    models = [
        classifier("words"),
        classifier("more", ("no", "yes")),
        regression("amount"),
        classifier("wholes", (0, 1)),
        classifier("truths", (False, True)),
        classifier("unsure", (0, 1), probabilities=False),
    ]
    registry = shelve(tmp_path / "registry", *models)
    stage = Stage(tmp_path / "state", MPS_REGISTRY=registry, MPS_MODEL_TYPE="words")
    worker = stage.joined()
    for model, words in (
        ("amount", "/predict: amount@1 .* words@1: .* note; a regression, no classes"),
        ("wholes", "classes 0, 1"),
        ("unsure", "classes 0, 1, without probabilities"),
        ("truths", "classes false, true"),
    ):
        with pytest.raises(ReloadRefused, match=rf"{words}\. Add \?allow_signature_change=true"):
            stage.reload(model_type=model).get()
    for model, allow in (("more", False), ("wholes", True)):
        outcome = stage.reload(allow, model_type=model)
        assert worker.obey().plan.champion.name == outcome.get().model == model
    with pytest.raises(ReloadRefused, match="truths@1 has another signature than wholes@1"):
        stage.reload(model_type="truths").get()
    stage.close()


def rename(store: Store, model: str, name: str, change: Callable[[Feature], Feature]) -> None:
    """Publish a shipped model under another name with changed features."""
    entry = store.read(model, 1)
    card = entry.manifest.card
    features = tuple(change(feature) for feature in card.signature.features)
    signature = msgspec.structs.replace(card.signature, features=features)
    card = msgspec.structs.replace(card, signature=signature)
    store.publish(msgspec.structs.replace(entry.manifest, name=name, card=card), entry.model, entry.golden)
    store.promote(name)


def test_an_unreachable_supervisor_is_unavailable() -> None:
    """An endpoint does not hang on a server that is going down."""
    with pytest.raises(Unavailable):
        asyncio.run(request.switch("\0nobody", Reload({}, False)))


def test_a_broken_override_says_how_to_forget_it(tmp_path: Path) -> None:
    """A server that cannot start because of what a reload set tells where that is kept."""
    state = State(tmp_path)
    state.save(Remembered(4, {"model_type": "gone"}))
    with pytest.raises(SettingsError, match=r"no model 'gone'.*run-time override: remove .*state\.json"):
        Supervisor(lambda override: resolve({}, None, override), state, lambda: None)
    with pytest.raises(SettingsError, match=r"no model 'nope' in the registry[^(]*$"):
        Supervisor(
            lambda override: resolve({"MPS_MODEL_TYPE": "nope"}, None, override),
            State(tmp_path / "x"),
            lambda: None,
        )


def test_a_server_starts_where_it_cannot_write(caplog: pytest.LogCaptureFixture) -> None:
    """A read-only system serves; the log says that reloads will be refused, and they are."""
    stage = Stage(Path("/proc/nowhere"))
    stage.state.claim()
    assert "reloads will be refused" in caplog.text
    worker = stage.joined()
    outcome = stage.reload()
    worker.say(Prepared(worker.expect_prepare().attempt))
    with pytest.raises(ReloadRefused, match="cannot be written"):
        outcome.get()
    stage.close()


def test_a_state_that_cannot_be_read_is_not_guessed_at(tmp_path: Path) -> None:
    """A server does not start over a broken memory."""
    (tmp_path / "state.json").write_text('{"generation":')
    with pytest.raises(SettingsError, match=r"state\.json cannot be read.*repair or remove it"):
        State(tmp_path).load()


def test_a_worker_that_goes_on_hanging_is_ended(pair: Stage) -> None:
    """After a second deadline it is killed, so that it does not hold up every later reload."""
    pair.environ["MPS_RELOAD_DEADLINE_MS"] = "200"
    one, two = pair.joined(), pair.joined()
    first = pair.reload()
    for worker in (one, two):
        worker.say(Prepared(worker.expect_prepare().attempt))
    for worker in (one, two):
        worker.say(Committed(worker.expect_commit().attempt))
    assert first.get().generation == 2
    outcome = pair.reload(model_type="xgboost")
    one.say(Prepared(one.expect_prepare().attempt))
    two.expect_prepare()
    with pytest.raises(ReloadRefused, match="1 of 2 workers did not prepare within 200 ms"):
        outcome.get()
    until(lambda: not two.alive())
    assert one.alive()


def test_a_configuration_that_hangs_meets_the_deadline(stage: Stage, tmp_path: Path) -> None:
    """A pipe instead of a file, a disk that does not answer: the reload ends, and the next one works."""
    worker = stage.joined()
    pipe = tmp_path / "mps.toml"
    os.mkfifo(pipe)
    stage.environ["MPS_CONFIG"] = str(pipe)
    with pytest.raises(ReloadRefused, match="not read within 1500 ms"):
        stage.reload().get()
    del stage.environ["MPS_CONFIG"]
    outcome = stage.reload()
    worker.obey()
    assert outcome.get().generation == 2
    pipe.write_text("")  # lets the thread that still reads go


def test_an_error_that_nobody_thought_of_is_a_refusal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told no more than its name; nothing changed."""
    stage.joined()
    monkeypatch.setattr(stage.supervisor, "_resolver", None)
    with pytest.raises(ReloadRefused, match="unexpected TypeError; the server's log says more"):
        stage.reload().get()
    assert stage.supervisor.committed.generation == 1


def test_a_signal_reloads(stage: Stage) -> None:
    """What SIGHUP calls reads the configuration again."""
    worker = stage.joined()
    stage.environ["MPS_MODEL_TYPE"] = "xgboost"
    stage.supervisor.reload_soon(1, None)
    assert worker.obey().plan.champion.name == "xgboost"


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


def test_two_servers_cannot_share_a_state_folder(tmp_path: Path) -> None:
    """They would overwrite each other's overrides."""
    first = State(tmp_path)
    first.claim()
    with pytest.raises(SettingsError, match="belongs to another running server"):
        State(tmp_path).claim()


def test_workers_load_in_turns(pair: Stage) -> None:
    """Half of the processors stay with the requests; who was never asked in time is not killed for it."""
    one, two = pair.joined(), pair.joined()
    pair.supervisor.workers.at_once = 1
    outcome = pair.reload(model_type="xgboost")
    asked = select.select([one.socket, two.socket], [], [], 5)[0]
    first, second = (one, two) if one.socket in asked else (two, one)
    attempt = first.expect_prepare().attempt
    assert select.select([second.socket], [], [], 0.2)[0] == []
    first.say(Prepared(attempt))
    second.say(Prepared(second.expect_prepare().attempt))
    for worker in (one, two):
        worker.say(Committed(worker.expect_commit().attempt))
    assert outcome.get().generation == 2
    pair.environ["MPS_RELOAD_DEADLINE_MS"] = "200"
    outcome = pair.reload()
    for worker in (first, second) if select.select([first.socket], [], [], 1)[0] else (second, first):
        worker.obey_prepare()
    for worker in (one, two):
        worker.say(Committed(worker.expect_commit().attempt))
    outcome.get()
    outcome = pair.reload(model_type="heuristic")
    asked = select.select([one.socket, two.socket], [], [], 5)[0]
    stuck, waiting = (one, two) if one.socket in asked else (two, one)
    with pytest.raises(ReloadRefused, match="2 of 2 workers did not prepare within 200 ms"):
        outcome.get()
    until(lambda: not stuck.alive())
    assert waiting.alive()
