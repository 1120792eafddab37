"""What is decided at run time, as plain functions: from what was remembered to what is to be remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from server.errors import ReloadRefused, SettingsError
from server.plan import Plan
from server.settings import Resolved, check_override
from server.switching.state import Remembered
from server.traffic import Aborted, Rollout, Traffic

Resolver = Callable[[Mapping[str, Any]], Resolved]
"""Reads all layers of the settings with the given override."""
TRAFFIC = ("model_type", "split")
"""Settings that a rollout sets itself."""
NO_ROLLOUT = "no rollout is under way"
MAX_STEPS = 100
MAX_HOLD_S = 30 * 24 * 3600.0


def reloaded(now: Remembered, change: Mapping[str, Any]) -> Remembered:
    """After a reload whose body has these overrides; None removes one.

    Raises:
        SettingsError: what cannot be set at run time.
        ReloadRefused: a rollout sets it at present.
    """
    check_override(change)
    if under_way(now.rollout) and any(name in TRAFFIC for name in change):
        raise ReloadRefused("a rollout is under way; abort it first (mps rollout abort)")
    merged = {name: value for name, value in {**now.override, **change}.items() if value is not None}
    aborted = () if "split" in change else now.aborted  # whoever sets a split anew means it
    return replace(now, override=merged, aborted=aborted)


def loaded(now: Remembered, model: str, committed: Plan) -> Remembered:
    """After a model was asked to be loaded; one that is there already is read again, as by a reload.

    Args:
        now: what was remembered.
        model: name, or name@version.
        committed: what is served.
    """
    if model in committed.routes:
        return now
    return replace(now, override={**now.override, "models": [*_listed(committed), model]})


def unloaded(now: Remembered, model: str, committed: Plan) -> Remembered:
    """After a model was let go; a name without a version means all versions that are loaded.

    Raises:
        ReloadRefused: it is not loaded, or ``/predict`` needs it.
    """
    if model not in committed.routes:
        raise ReloadRefused(f"model {model[:80]!r} is not loaded")
    gone = {
        route
        for name, route in committed.routes.items()
        if name == model or ("@" not in model and name.partition("@")[0] == model)
    }
    traffic = committed.traffic
    sharing = {each.model for each in traffic.split} | {each.model for each in traffic.shadows}
    if needed := sorted(gone & ({committed.champion.reference} | sharing)):
        raise ReloadRefused(
            f"{needed[0]} cannot be unloaded: /predict answers with it, or it shadows who does"
        )
    kept = [name for name in _listed(committed) if committed.routes[name] not in gone]
    return replace(now, override={**now.override, "models": kept})


def _listed(committed: Plan) -> list[str]:
    """The setting ``models`` as it is in force."""
    settings = committed.resolved.settings
    if settings.models is not None:
        return list(settings.models)
    return [name for name in committed.routes if "@" not in name]


def under_way(rollout: Rollout | None) -> bool:
    """Whether there is one that is not over."""
    return rollout is not None and not rollout.ended


def check_no_other_split(resolver: Resolver, decided: Remembered) -> None:
    """Refuse a split beneath that of a rollout: it would come to light when the rollout ends.

    Raises:
        SettingsError
    """
    below = resolver({name: value for name, value in decided.override.items() if name != "split"})
    if below.settings.split is not None:
        raise SettingsError(
            f"split: is set by {below.sources['split']} while a rollout is under way; take it away, "
            "or abort the rollout first (mps rollout abort)"
        )


def started(now: Remembered, rollout: Rollout, split: Mapping[str, float] | None) -> Remembered:
    """After the first step of a rollout.

    Args:
        now: what was remembered.
        rollout: at its first step.
        split: the setting as it is in force.

    Raises:
        ReloadRefused: another rollout, or a split, has the traffic already.
    """
    if under_way(now.rollout):
        raise ReloadRefused("a rollout is under way already; abort it first (mps rollout abort)")
    if split is not None:
        raise ReloadRefused("the setting split deals out the traffic already; take it away first")
    aborted = tuple(each for each in now.aborted if each.model != rollout.model)  # another try
    rollout = replace(rollout, before=now.override.get("model_type"))
    return at_step(replace(now, aborted=aborted), rollout)


def at_step(now: Remembered, rollout: Rollout) -> Remembered:
    """With the traffic of the rollout's present step. At the last one its model becomes the champion.

    Both are pinned to their versions: what is promoted or configured meanwhile is not what was begun with.
    """
    percent = rollout.steps[rollout.step]
    override = _without_split(now)
    if percent == 100:
        override["model_type"] = rollout.model
        rollout = replace(rollout, ended="done")
    else:
        override["model_type"] = rollout.champion_model
        override["split"] = {rollout.champion_model: 100 - percent, rollout.model: percent}
    return replace(now, override=override, rollout=rollout)


def advanced(now: Remembered) -> Remembered:
    """After the next step of the rollout that is under way.

    Raises:
        ReloadRefused: it has ended meanwhile.
    """
    if now.rollout is None or now.rollout.ended:
        raise ReloadRefused(NO_ROLLOUT)
    rollout = replace(now.rollout, step=now.rollout.step + 1, since=utc_now())
    return at_step(now, rollout)


def given_up(now: Remembered, reason: str, routes: Mapping[str, str]) -> Remembered:
    """After the end of a rollout before its last step: the champion that it began with has all traffic.

    ``routes`` are those of what is served. Where the champion's own setting means another version by now, it
    stays pinned to the one that it meant.

    Raises:
        ReloadRefused: there is none.
    """
    rollout = now.rollout
    if rollout is None or rollout.ended:
        raise ReloadRefused(NO_ROLLOUT)
    override = _without_split(now)
    del override["model_type"]
    if routes.get(rollout.champion) != rollout.champion_model:
        override["model_type"] = rollout.champion_model
    elif rollout.before is not None:
        override["model_type"] = rollout.before
    return replace(
        now, override=override, rollout=replace(rollout, ended=f"aborted: {reason}", since=utc_now())
    )


def without(now: Remembered, model: str, reason: str, routes: Mapping[str, str]) -> Remembered:
    """After a variant was over a limit: it leaves the split, and a rollout of it ends."""
    aborted = (*(each for each in now.aborted if each.model != model), Aborted(model, reason, utc_now()))
    now = replace(now, aborted=aborted)
    rollout = now.rollout
    ends = rollout is not None and not rollout.ended and rollout.model == model
    return given_up(now, reason, routes) if ends else now


def dealt(decided: Remembered, rollout: Rollout, resolved: Resolved) -> Resolved:
    """Settings with the traffic that was decided for a rollout, and all else as it is in force.

    Where nothing is overridden any more, the champion is as it was set when the rollout began.
    """
    override = decided.override
    settings = replace(
        resolved.settings,
        model_type=override.get("model_type", rollout.champion),
        split=override.get("split"),
    )
    sources = {
        **resolved.sources,
        "model_type": "override" if "model_type" in override else rollout.champion_source,
        "split": "override" if "split" in override else "default",
    }
    return replace(resolved, settings=settings, sources=sources)


def _without_split(now: Remembered) -> dict[str, Any]:
    return {name: value for name, value in now.override.items() if name != "split"}


def checked(steps: tuple[float, ...], hold_s: float) -> None:
    """Refuse steps that are no rollout.

    Raises:
        SettingsError
    """
    rising = all(one < two for one, two in zip((0.0, *steps), steps, strict=False))
    sound = 0 < len(steps) <= MAX_STEPS and steps[-1] == 100
    if not rising or not sound or any(round(step, 2) != step for step in steps):
        came = ", ".join(f"{step:g}" for step in steps[:MAX_STEPS])
        raise SettingsError(
            "steps: expected rising percents above 0 with at most two decimals, the last of them 100, "
            f"such as 1, 10, 50, 100; came {came or 'none'}"
        )
    if not 0 <= hold_s <= MAX_HOLD_S:
        raise SettingsError(f"hold_s: expected seconds from 0 to {MAX_HOLD_S:.0f}, came {hold_s:g}")


def same_deal(one: Traffic, two: Traffic) -> bool:
    """Whether two generations deal out the traffic alike: what was seen of it goes on counting."""
    return (one.split, one.shadows, one.sticky_header) == (two.split, two.shadows, two.sticky_header)


def utc_now() -> str:
    """ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
