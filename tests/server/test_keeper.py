"""What the supervisor does unasked: it watches, takes bad variants out, and takes rollouts on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.counters import BATCH, OUT_OF_TIME, PREDICT, Counters
from server.plan import draw
from server.seen import Seen
from server.settings import SHIPPED_REGISTRY, resolve
from server.switching import keeper
from server.switching.keeper import too_bad
from server.switching.messages import Committed, Prepare, Prepared, Refused, Reloaded, StartRollout
from tests.server.stage import Outcome, Stage, until

MS = 1_000_000


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks every few milliseconds instead of every second."""
    monkeypatch.setattr(keeper, "TICK_S", 0.02)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A copy of the shipped one."""
    shutil.copytree(SHIPPED_REGISTRY, tmp_path / "registry")
    return tmp_path / "registry"


@pytest.fixture
def stage(tmp_path: Path, registry: Path) -> Iterator[Stage]:
    """One worker; a forest and xgboost share the traffic, and the file is watched."""
    config = tmp_path / "mps.toml"
    config.write_text(
        'model_type = "random_forest"\nsplit = { random_forest = 60, xgboost = 40 }\nwatch = true'
    )
    stage = Stage(tmp_path / "state", MPS_CONFIG=str(config), MPS_REGISTRY=str(registry))
    yield stage
    stage.close()


def serve(stage: Stage, model: str, times: int, status: int = 200, elapsed_ms: float = 1) -> None:
    """What a worker counts when it answers as a variant."""
    variants = {variant.model: variant.series for variant in stage.supervisor.committed.traffic.split}
    for _ in range(times):
        stage.supervisor.counters.count(variants[model], PREDICT, status, 1, int(elapsed_ms * MS))


def shares(prepare: Prepare) -> dict[str, float]:
    """Of a plan."""
    return {variant.model: variant.percent for variant in prepare.plan.traffic.split}


# -- variants over a limit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "elapsed_ms", "reason"),
    [(500, 1, "2 of its last 102 requests failed"), (200, 30, "2 of its last 102 single rows took longer")],
)
def test_a_variant_over_its_limit_goes_back_to_the_champion(
    stage: Stage, caplog: pytest.LogCaptureFixture, status: int, elapsed_ms: float, reason: str
) -> None:
    """On all workers at once, by an ordinary switch; logged, remembered, and in force after a reload."""
    worker = stage.joined()
    serve(stage, "xgboost@1", 100)
    serve(stage, "xgboost@1", 2, status, elapsed_ms)
    prepare = worker.obey()
    assert shares(prepare) == {"xgboost@1": 0, "random_forest@1": 100}
    [aborted] = prepare.plan.traffic.aborted
    assert aborted.model == "xgboost@1"
    assert aborted.reason.startswith(reason)
    until(lambda: stage.remembered()["generation"] == 2)
    assert stage.remembered()["aborted"][0]["reason"] == aborted.reason
    assert f"variant xgboost@1 leaves the split: {reason}" in caplog.text
    outcome = stage.reload()
    assert shares(worker.obey())["xgboost@1"] == 0
    assert outcome.get().generation == 3
    again = stage.reload(split="random_forest=60,xgboost=40")
    assert shares(worker.obey())["xgboost@1"] == 40
    again.get()


def test_a_variant_within_its_limits_stays(stage: Stage) -> None:
    """So does the champion whatever it does, and whoever has too few requests to be judged."""
    worker = stage.joined()
    serve(stage, "random_forest@1", 500, 500, 90)
    serve(stage, "xgboost@1", 99, 500)
    outcome = stage.reload(log_level="ERROR")
    assert shares(worker.obey())["xgboost@1"] == 40
    outcome.get()
    serve(stage, "xgboost@1", 1)
    assert shares(worker.obey())["xgboost@1"] == 0


def test_what_was_seen_before_a_split_is_not_its_own(stage: Stage) -> None:
    """A new split begins at nothing."""
    worker = stage.joined()
    serve(stage, "xgboost@1", 99, 500)
    outcome = stage.reload(split="random_forest=50,xgboost=50")
    worker.obey()
    outcome.get()
    serve(stage, "xgboost@1", 99)
    outcome = stage.reload(log_level="ERROR")
    assert shares(worker.obey())["xgboost@1"] == 50
    outcome.get()


def test_only_the_last_requests_count(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures of long ago are forgotten."""
    clock = [0.0]
    monkeypatch.setattr("server.switching.keeper.time.monotonic", lambda: clock[0])
    environ = {"MPS_SPLIT": "heuristic=50,xgboost=50", "MPS_ABORT_WINDOW_S": "10"}
    plan = draw(resolve(environ, None, {}), 1)
    judge = keeper.Judge(counters.sums)
    series = plan.traffic.split[0].series
    for _ in range(50):
        counters.count(series, PREDICT, 500, 1, MS)
    assert judge.over_limit(plan) is None
    for clock[0] in (5.0, 9.0, 20.0, 31.0):
        assert judge.over_limit(plan) is None
    for _ in range(150):
        counters.count(series, PREDICT, 200, 1, MS)
    assert judge.over_limit(plan) is None
    for _ in range(50):
        counters.count(series, PREDICT, 500, 1, MS)
    assert judge.over_limit(plan) == ("xgboost@1", "50 of its last 200 requests failed (limit 1 %)")


def test_what_is_too_bad(counters: Counters) -> None:
    """A limit itself is kept; batches may take as long as they like; a limit within a bucket is lenient."""
    for _ in range(99):
        counters.count(1, PREDICT, 200, 1, MS)
    counters.count(1, PREDICT, 500, 1, 9 * MS)
    counters.count(1, BATCH, 200, 1000, 900 * MS)
    seen = Seen(counters.sums(1))
    assert too_bad(seen, error_percent=1, p99_ms=5) == ""
    assert too_bad(seen, error_percent=0.5, p99_ms=5) == "1 of its last 101 requests failed (limit 0.5 %)"
    counters.count(1, PREDICT, 200, 1, 9 * MS)
    assert "2 of its last 101 single rows took longer than 5 ms" in too_bad(Seen(counters.sums(1)), 1, 5)
    assert too_bad(Seen(counters.sums(1)), error_percent=1, p99_ms=6) == ""
    assert too_bad(Seen(counters.sums(1)), error_percent=1, p99_ms=5, least=102) == ""
    for _ in range(50):  # deadlines that could not be kept are no failures of the model
        counters.count(1, BATCH, 503, 0, MS)
        counters.note(1, OUT_OF_TIME)
    assert too_bad(Seen(counters.sums(1)), error_percent=1, p99_ms=6) == ""


# -- rollouts ---------------------------------------------------------------------------------------


def start(stage: Stage, hold_s: float) -> Outcome:
    """Ask for a rollout of the decision tree."""
    return stage.ask(StartRollout("decision_tree", (10, 50, 100), hold_s))


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Stage]:
    """One worker, no split."""
    stage = Stage(tmp_path / "state", MPS_MODEL_TYPE="random_forest")
    yield stage
    stage.close()


def test_a_rollout_goes_on_by_itself(plain: Stage) -> None:
    """Step by step to the end, each an ordinary switch."""
    worker = plain.joined()
    outcome = start(plain, 0.1)
    assert shares(worker.obey()) == {"decision_tree@1": 10, "random_forest@1": 90}
    assert outcome.get() == Reloaded(2, "random_forest", 1, 1, ())
    assert shares(worker.obey()) == {"decision_tree@1": 50, "random_forest@1": 50}
    last = worker.obey().plan
    assert (last.champion.reference, last.traffic.split) == ("decision_tree@1", ())
    until(lambda: plain.remembered()["generation"] == 4)
    assert plain.remembered()["override"] == {"model_type": "decision_tree@1"}


def test_a_step_that_is_refused_is_tried_again(plain: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause, and from where it stood."""
    monkeypatch.setattr(keeper, "RETRY_S", 0.2)
    worker = plain.joined()
    outcome = start(plain, 0)
    worker.obey()
    outcome.get()
    worker.say(Refused(worker.expect_prepare().attempt, "disk gone"))
    worker.hear()
    assert shares(worker.obey())["decision_tree@1"] == 50


def test_a_rollout_outlives_the_server(plain: Stage) -> None:
    """A restart goes on at the step that was reached."""
    worker = plain.joined()
    outcome = start(plain, 600)
    worker.obey()
    outcome.get()
    again = Stage(plain.folder, MPS_MODEL_TYPE="heuristic")  # the file changed: the rollout goes on
    prepare = again.enter().expect_prepare()
    assert shares(prepare) == {"decision_tree@1": 10, "random_forest@1": 90}
    again.close()


def test_a_rollout_that_cannot_go_on_does_not_keep_a_server_down(
    tmp_path: Path, registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its model is gone at the restart: it is over, with the reason, and its champion serves."""
    environ = {"MPS_MODEL_TYPE": "random_forest", "MPS_REGISTRY": str(registry)}
    stage = Stage(tmp_path / "state", **environ)
    worker = stage.joined()
    outcome = start(stage, 600)
    worker.obey()
    outcome.get()
    stage.close()
    shutil.rmtree(registry / "decision_tree" / "1")
    (registry / "decision_tree" / "current").unlink()
    again = Stage(tmp_path / "state", **environ)
    plan = again.enter().expect_prepare().plan
    assert (plan.champion.reference, plan.traffic.split) == ("random_forest@1", ())
    assert plan.traffic.rollout is not None
    assert plan.traffic.rollout.ended.startswith("aborted: at the start: split: no model 'decision_tree'")
    assert "the rollout cannot go on" in caplog.text
    again.close()


def test_nothing_that_lies_about_keeps_a_bad_variant(stage: Stage, tmp_path: Path, registry: Path) -> None:
    """An abort reads nothing: neither a half-edited file nor a damaged registry stops it."""
    worker = stage.joined()
    outcome = stage.reload(watch=False)
    worker.obey()
    outcome.get()
    (tmp_path / "mps.toml").write_text('model_type = "rand')
    for name in ("random_forest", "xgboost"):
        (registry / name / "1" / "manifest.json").write_text("{}")
    serve(stage, "xgboost@1", 200, 500)
    prepare = worker.obey()
    assert shares(prepare) == {"xgboost@1": 0, "random_forest@1": 100}
    assert prepare.plan.generation == 3


def test_another_switch_comes_first(stage: Stage) -> None:
    """What was decided by what is served no longer is not done."""
    worker = stage.joined()
    outcome = stage.reload(split="random_forest=90,xgboost=10")
    prepare = worker.expect_prepare()
    serve(stage, "xgboost@1", 200, 500)
    time.sleep(0.2)  # the keeper has seen it by now, and waits for its turn
    worker.say(Prepared(prepare.attempt))
    worker.say(Committed(worker.expect_commit().attempt))
    assert outcome.get().generation == 2
    later = stage.reload(log_level="ERROR")
    assert shares(worker.obey())["xgboost@1"] == 10
    later.get()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (StartRollout("nope", (100,), 1), "model: no model 'nope'"),
        (StartRollout("random_forest", (100,), 1), "random_forest@1 is the champion already"),
        (StartRollout("xgboost", (50,), 1), "the last of them 100"),
    ],
)
def test_a_wrong_rollout_is_refused(plain: Stage, asked: StartRollout, words: str) -> None:
    """Before any worker hears of it."""
    plain.joined()
    with pytest.raises(Exception, match=words):
        plain.ask(asked).get()


def test_the_champion_stays_the_one_that_was_to_be_replaced(plain: Stage) -> None:
    """A configuration that changes it meanwhile waits; one with a split of its own is refused."""
    worker = plain.joined()
    outcome = start(plain, 600)
    worker.obey()
    outcome.get()
    plain.environ["MPS_MODEL_TYPE"] = "heuristic"
    outcome = plain.reload()
    assert shares(worker.obey()) == {"decision_tree@1": 10, "random_forest@1": 90}
    outcome.get()
    plain.environ["MPS_SPLIT"] = "random_forest=60,xgboost=40"
    with pytest.raises(Exception, match="split: is set by environment"):
        plain.reload().get()
