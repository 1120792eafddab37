"""What outlives the supervisor: written before a commit, read at the next start, never guessed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import ReloadRefused, SettingsError
from server.settings import resolve
from server.switching.messages import Abort, Prepared
from server.switching.state import Remembered, State
from server.switching.supervisor import Supervisor
from tests.server.stage import Stage


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


def test_two_servers_cannot_share_a_state_folder(tmp_path: Path) -> None:
    """They would overwrite each other's overrides."""
    first = State(tmp_path)
    first.claim()
    with pytest.raises(SettingsError, match="belongs to another running server"):
        State(tmp_path).claim()
