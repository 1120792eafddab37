"""The supervisor against scripted workers: what it decides when a worker refuses, hangs, or is gone."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from server.errors import ReloadRefused, SettingsError, Unavailable
from server.switching import request, workers
from server.switching.messages import Abort, Committed, Prepared, Refused, Reload
from tests.server.stage import Stage, until


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


def test_reloads_take_turns(stage: Stage) -> None:
    """Twenty at once: each is a generation of its own, one after the other."""
    worker = stage.joined()
    outcomes = [stage.reload(model_type="xgboost") for _ in range(20)]
    generations = [worker.obey().plan.generation for _ in outcomes]
    assert generations == list(range(2, 22))
    assert sorted(outcome.get().generation for outcome in outcomes) == generations


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


def test_an_unreachable_supervisor_is_unavailable() -> None:
    """An endpoint does not hang on a server that is going down."""
    with pytest.raises(Unavailable):
        asyncio.run(request.switch("\0nobody", Reload({}, False)))


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
