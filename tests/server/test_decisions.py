"""What is decided at run time: rollouts, aborts and overrides, one plain function each."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from server.errors import ReloadRefused, SettingsError
from server.settings import resolve
from server.switching import decisions
from server.switching.state import Remembered
from server.traffic import Aborted, Rollout

ROLLOUT = Rollout(
    champion="random_forest",
    champion_source="file",
    champion_model="random_forest@1",
    model="xgboost@1",
    steps=(1, 10, 100),
    hold_s=60,
    step=0,
    since=decisions.utc_now(),
)
ROUTES = {"random_forest": "random_forest@1", "xgboost": "xgboost@1"}
BEGUN = decisions.started(Remembered(3, {"log_level": "DEBUG"}), ROLLOUT, None)
GONE = Aborted("xgboost@1", "slow", decisions.utc_now())


def test_a_rollout_goes_up_its_steps_and_ends_with_a_champion() -> None:
    """Each step is a split; after the last there is none, and the model answers everything."""
    assert BEGUN.override == {
        "log_level": "DEBUG",
        "model_type": "random_forest@1",
        "split": {"random_forest@1": 99, "xgboost@1": 1},
    }
    second = decisions.advanced(BEGUN)
    assert second.override["split"] == {"random_forest@1": 90, "xgboost@1": 10}
    assert second.rollout is not None
    assert (second.rollout.step, second.rollout.ended) == (1, "")
    last = decisions.advanced(second)
    assert last.override == {"log_level": "DEBUG", "model_type": "xgboost@1"}
    assert last.rollout is not None
    assert (last.rollout.step, last.rollout.ended) == (2, "done")
    with pytest.raises(ReloadRefused, match="no rollout is under way"):
        decisions.advanced(last)


def test_a_rollout_that_is_given_up_leaves_no_trace_in_the_settings() -> None:
    """The champion has everything again, and why is remembered."""
    ended = decisions.given_up(BEGUN, "on request", ROUTES)
    assert ended.override == {"log_level": "DEBUG"}
    assert ended.rollout is not None
    assert ended.rollout.ended == "aborted: on request"
    for over in (ended, Remembered()):
        with pytest.raises(ReloadRefused, match="no rollout is under way"):
            decisions.given_up(over, "again", ROUTES)


def test_there_is_one_rollout_at_a_time() -> None:
    """Nor one beside a split that somebody set; after the end of one there may be another."""
    with pytest.raises(ReloadRefused, match="under way already"):
        decisions.started(BEGUN, ROLLOUT, None)
    with pytest.raises(ReloadRefused, match="the setting split"):
        decisions.started(Remembered(), ROLLOUT, {"random_forest": 100})
    again = decisions.started(decisions.given_up(BEGUN, "x", ROUTES), ROLLOUT, None)
    assert decisions.under_way(again.rollout)


def test_a_variant_over_its_limit_leaves_split_and_rollout() -> None:
    """The reason stands in both; another try forgets it."""
    now = decisions.without(BEGUN, "xgboost@1", "slow", ROUTES)
    assert [each.model for each in now.aborted] == ["xgboost@1"]
    assert now.rollout is not None
    assert now.rollout.ended == "aborted: slow"
    assert "split" not in now.override
    twice = decisions.without(now, "xgboost@1", "slower", ROUTES)
    assert [each.reason for each in twice.aborted] == ["slower"]
    assert decisions.started(twice, ROLLOUT, None).aborted == ()


def test_another_variant_of_a_split_does_not_end_a_rollout() -> None:
    """Only the variant that is rolled out does."""
    now = decisions.without(BEGUN, "heuristic@1", "slow", ROUTES)
    assert decisions.under_way(now.rollout)
    assert now.override == BEGUN.override


@pytest.mark.parametrize("change", [{"model_type": "heuristic"}, {"split": None}, {"split": {"a": 100}}])
def test_a_reload_does_not_meddle_with_a_rollout(change: dict[str, Any]) -> None:
    """What it sets itself is refused meanwhile; anything else passes, and so does all of it afterwards."""
    with pytest.raises(ReloadRefused, match="abort it first"):
        decisions.reloaded(BEGUN, change)
    kept = {name: value for name, value in BEGUN.override.items() if name != "log_level"}
    assert decisions.reloaded(BEGUN, {"log_level": None}).override == kept
    assert "split" not in decisions.reloaded(decisions.given_up(BEGUN, "x", ROUTES), {"split": None}).override


def test_a_split_that_is_set_anew_is_another_chance() -> None:
    """What was aborted stays out through ordinary reloads."""
    now = replace(Remembered(), aborted=(GONE,))
    assert decisions.reloaded(now, {"log_level": "DEBUG"}).aborted == (GONE,)
    assert decisions.reloaded(now, {"split": {"a": 100}}).aborted == ()


@pytest.mark.parametrize(
    ("before", "routes", "after"),
    [
        ({}, ROUTES, {}),
        ({"model_type": "random_forest"}, ROUTES, {"model_type": "random_forest"}),
        ({}, {"random_forest": "random_forest@2"}, {"model_type": "random_forest@1"}),
        ({}, {}, {"model_type": "random_forest@1"}),
    ],
)
def test_the_champion_has_back_what_it_had(
    before: dict[str, Any], routes: dict[str, str], after: dict[str, Any]
) -> None:
    """In its own version: one that was promoted meanwhile was never what the rollout began with."""
    begun = decisions.started(Remembered(1, before), ROLLOUT, None)
    assert decisions.given_up(begun, "x", routes).override == after


def test_a_rollout_deals_out_what_is_in_force() -> None:
    """Its model and its shares; where each setting comes from stays true."""
    resolved = resolve({"MPS_MODEL_TYPE": "random_forest"}, None, {})
    dealt = decisions.dealt(BEGUN, ROLLOUT, resolved)
    assert dealt.settings.model_type == "random_forest@1"
    assert dealt.settings.split == {"random_forest@1": 99, "xgboost@1": 1}
    assert (dealt.sources["model_type"], dealt.sources["split"]) == ("override", "override")
    back = decisions.dealt(decisions.given_up(BEGUN, "x", ROUTES), ROLLOUT, dealt)
    assert (back.settings.model_type, back.settings.split) == ("random_forest", None)
    assert (back.sources["model_type"], back.sources["split"]) == ("file", "default")


def test_a_split_beneath_that_of_a_rollout_is_refused() -> None:
    """It would come to light when the rollout ends."""
    environ = {"MPS_SPLIT": "heuristic=40,random_forest=60"}
    with pytest.raises(SettingsError, match="split: is set by environment while a rollout is under way"):
        decisions.check_no_other_split(lambda override: resolve(environ, None, override), BEGUN)
    decisions.check_no_other_split(lambda override: resolve({}, None, override), BEGUN)


@pytest.mark.parametrize(
    ("steps", "hold_s", "words"),
    [
        ((), 1, "came none"),
        ((10, 5, 100), 1, "rising percents"),
        ((0, 100), 1, "came 0, 100"),
        ((1, 50), 1, "the last of them 100"),
        ((1.234, 100), 1, "two decimals"),
        ((50, 150), 1, "100"),
        (tuple(range(1, 102)), 1, "rising percents"),
        ((100,), -1, "hold_s: expected seconds"),
        ((100,), float("nan"), "hold_s"),
        ((100,), 1e9, "hold_s"),
    ],
)
def test_steps_that_are_no_rollout(steps: tuple[float, ...], hold_s: float, words: str) -> None:
    """Refused with what is expected and what came."""
    with pytest.raises(SettingsError, match=words):
        decisions.checked(steps, hold_s)


def test_steps_that_are_one() -> None:
    """A single step is a switch."""
    decisions.checked((1, 10, 50, 100), 60)
    decisions.checked((0.01, 100), 0)
    decisions.checked((100,), 0)
