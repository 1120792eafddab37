"""A change of the configuration file, or of what is current in the registry, is a reload by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.store import Store
from server.switching import keeper, watch
from server.switching.messages import Prepared
from server.switching.watch import Sight, Watch
from tests.server.stage import Stage, Worker, until
from tests.server.test_keeper import often, registry, stage

__all__ = ["often", "registry", "stage"]


def test_a_change_of_the_file_is_a_reload(stage: Stage, tmp_path: Path) -> None:
    """By itself, once it stands still; whatever is in between is not applied."""
    worker = stage.joined()
    (tmp_path / "mps.toml").write_text('model_type = "xgboost"\nwatch = true')
    assert worker.obey().plan.champion.name == "xgboost"
    (tmp_path / "mps.toml").write_text('model_type = "heur')
    (tmp_path / "mps.toml").write_text('model_type = "heuristic"')
    assert worker.obey().plan.champion.name == "heuristic"
    until(lambda: stage.remembered()["generation"] == 3)
    (tmp_path / "mps.toml").write_text('model_type = "xgboost"')
    outcome = stage.reload(log_level="ERROR")  # watching has ended: this is the next thing that it hears
    assert worker.obey().plan.resolved.sources["log_level"] == "override"
    assert outcome.get().model == "xgboost"


def test_a_refused_change_is_tried_again_and_told_once_a_while(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at every look: the log would be full of it. A change of it is tried at once."""
    worker = stage.joined()
    (tmp_path / "mps.toml").write_text("model_type = 1")
    until(lambda: "refused: file: model_type" in caplog.text)
    monkeypatch.setattr(watch, "RETRY_S", 0.1)
    (tmp_path / "mps.toml").write_text("model_type = 2")
    until(lambda: caplog.text.count("refused: file: model_type") >= 4)
    assert stage.supervisor.committed.generation == 1
    (tmp_path / "mps.toml").write_text('model_type = "heuristic"')
    assert worker.obey().plan.champion.name == "heuristic"


def test_a_promotion_is_a_reload(stage: Stage, registry: Path) -> None:
    """The current version of a model in the registry is watched, too."""
    worker = stage.joined()
    store = Store(registry)
    entry = store.read("heuristic", 1)
    store.publish(entry.manifest, entry.model, store.read("decision_tree", 1).golden)
    store.promote("heuristic@2")
    assert "heuristic@2" in {model.reference for model in worker.obey().plan.models}


def test_a_mounted_config_map_is_seen(tmp_path: Path) -> None:
    """Kubernetes swaps the symlink ``..data``; the file's own name and link never change."""
    mount = tmp_path / "mount"
    for number, model in enumerate(("heuristic", "xgboost")):
        (mount / f"..{number}").mkdir(parents=True)
        (mount / f"..{number}" / "mps.toml").write_text(f'model_type = "{model}"\nwatch = true')
    (mount / "..data").symlink_to("..0")
    (mount / "mps.toml").symlink_to("..data/mps.toml")
    stage = Stage(tmp_path / "state", MPS_CONFIG=str(mount / "mps.toml"))
    worker: Worker = stage.joined()
    (mount / "..next").symlink_to("..1")
    (mount / "..next").replace(mount / "..data")
    assert worker.obey().plan.champion.name == "xgboost"
    stage.close()


def test_nothing_is_reloaded_while_it_is_still_being_written() -> None:
    """A change is ripe when it was seen twice; what is applied never is."""
    old, half, whole = (Sight(text, ()) for text in (b"a", b"a = ", b"a = 1"))
    seen = Watch()
    assert [seen.ripe(old, now) for now in (old, old, half, whole, whole)] == [False] * 4 + [True]
    assert not seen.ripe(whole, whole)
    gone = Sight("No such file or directory", ())
    assert [seen.ripe(whole, now) for now in (gone, gone)] == [False, False]


def test_a_failure_of_the_keeper_is_told_and_it_goes_on(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in one look, the next one comes."""
    worker = stage.joined()
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "look", None)
        until(lambda: "the keeper failed" in caplog.text)
    (tmp_path / "mps.toml").write_text('model_type = "xgboost"')
    prepare = worker.expect_prepare()
    assert prepare.plan.champion.name == "xgboost"
    worker.say(Prepared(prepare.attempt))
    worker.expect_commit()
