"""Who answers ``/predict``, and what else meets its requests: the part of a plan that is about traffic."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.errors import SettingsError

SLOTS = 10_000
"""Traffic is dealt out in hundredths of a percent."""
SPLIT, SHADOW = ":split", ":shadow"
"""Behind a model's reference: the series of what it answered in a split, and as a shadow."""


class Variant(msgspec.Struct, frozen=True):
    """One of the models that share ``/predict``."""

    name: str
    """As the setting has it: ``name`` or ``name@version``."""
    model: str
    """``name@version``."""
    slots: int
    """Of ``SLOTS``."""
    series: int

    @property
    def percent(self) -> float:
        """Its share of the requests."""
        return self.slots * 100 / SLOTS


class Shadow(msgspec.Struct, frozen=True):
    """A model that gets copies of answered requests."""

    model: str
    """``name@version``."""
    series: int


class Aborted(msgspec.Struct, frozen=True):
    """A variant that was taken out of the split, because it was over a limit."""

    model: str
    """``name@version``: another version is another chance."""
    reason: str
    at: str
    """UTC, ISO 8601."""


class Rollout(msgspec.Struct, frozen=True):
    """A variant that gets more of the traffic step by step, and becomes the champion at the end."""

    champion: str
    """The setting ``model_type`` when it began."""
    champion_source: str
    """Where that came from."""
    champion_model: str
    """``name@version`` that it meant."""
    model: str
    """``name@version``: what is promoted or configured meanwhile does not change what is rolled out."""
    steps: tuple[float, ...]
    """Percent; the last is 100."""
    hold_s: float
    """How long each step lasts."""
    step: int
    """Index of the present one, or the last that was reached."""
    since: str
    """When that began: UTC, ISO 8601."""
    before: str | None = None
    """The override of ``model_type`` when it began."""
    ended: str = ""
    """Why it is over; empty: it is under way."""


class Traffic(msgspec.Struct, frozen=True):
    """Of one generation."""

    split: tuple[Variant, ...] = ()
    """Empty: the champion answers alone. Else it is the last of them."""
    sticky_header: str | None = None
    shadows: tuple[Shadow, ...] = ()
    aborted: tuple[Aborted, ...] = ()
    rollout: Rollout | None = None
    since: dict[int, tuple[int, ...]] = {}
    """By series: what its counters were when this split began. What was seen before is not its own."""


def slots(split: Mapping[str, float]) -> dict[str, int]:
    """Percents to slots.

    Raises:
        SettingsError: not 100 together, or finer than a slot.
    """
    total = sum(split.values())
    if not abs(total - 100) <= 1e-6:  # nor is a NaN
        came = " + ".join(f"{percent:g}" for percent in split.values()) or "nothing"
        raise SettingsError(f"split: expected percents that are 100 together, came {came} = {total:g}")
    found = {name: round(percent * SLOTS / 100) for name, percent in split.items()}
    for name, percent in split.items():
        if abs(found[name] * 100 / SLOTS - percent) > 1e-9:
            raise SettingsError(f"split: {name}: expected at most two decimals, came {percent!r}")
    return found


def dealt(
    wanted: Mapping[str, int], references: Mapping[str, str], champion: str, aborted: frozenset[str]
) -> dict[str, tuple[str, int]]:
    """Slots of each variant, the champion last: of two, the one that grows takes its keys from nobody else.

    Args:
        wanted: name in the setting to slots.
        references: that name to ``name@version``.
        champion: ``name@version``.
        aborted: ``name@version`` of variants whose share goes to the champion.

    Returns:
        ``name@version`` to (name in the setting, slots).

    Raises:
        SettingsError: two names are the same model.
    """
    found: dict[str, tuple[str, int]] = {}
    for name in sorted(wanted):
        model = references[name]
        if model in found:
            raise SettingsError(f"split: {found[model][0]} and {name} are both {model}")
        found[model] = (name, 0 if model in aborted else wanted[name])
    name, _ = found.pop(champion, (champion.partition("@")[0], 0))
    found[champion] = (name, SLOTS - sum(count for _, count in found.values()))
    return found
