"""Promotes through the gates."""

from __future__ import annotations

import msgspec

from registry.errors import BrokenEntry, PromotionRefused, UnknownModel
from registry.gates import Limits, judge
from registry.manifest import Manifest
from registry.store import Store
from registry.verdict import Verdict


class Promoted(msgspec.Struct, frozen=True):
    """What came of a promotion."""

    name: str
    version: int
    verdict: Verdict | None
    """None: it was current already, and nothing changed."""
    forced: str
    """Why it was promoted although a gate failed; empty where none did."""


def verdict_on(
    store: Store,
    candidate: Manifest,
    champion: str | None = None,
    limits: Limits | None = None,
) -> Verdict:
    """What the gates say of a version now.

    Args:
        store: where the champion is.
        candidate: published or not.
        champion: ``name`` or ``name@version`` to hold it against. None: what is current under its own name.
        limits: None: the defaults.

    Raises:
        InvalidName, UnknownModel, BrokenEntry: there is no such champion, or a broken one. Where the current
            version is broken, the gate fails instead: a promotion mends that.
    """
    if champion is not None:
        return judge(candidate, store.manifest(*store.resolve(champion)), limits)
    try:
        current = store.manifest(candidate.name, store.current(candidate.name))
    except UnknownModel:
        return judge(candidate, None, limits)
    except BrokenEntry as error:
        return judge(candidate, None, limits, unknown=str(error))
    return judge(candidate, current, limits)


def check(
    store: Store, reference: str, champion: str | None = None, limits: Limits | None = None, force: str = ""
) -> Verdict:
    """The verdict under which a version may be promoted now.

    Raises:
        PromotionRefused: a gate fails, and no reason is given to overrule it.
    """
    name, version = store.newest(reference)
    verdict = verdict_on(store, store.manifest(name, version), champion, limits)
    if not verdict.passed and not force:
        raise PromotionRefused(
            f"{name}@{version} is not promoted, what is current stays: {verdict.complaint}; "
            "--force REASON overrules it",
            verdict,
        )
    return verdict


def promote(
    store: Store, reference: str, champion: str | None = None, limits: Limits | None = None, force: str = ""
) -> Promoted:
    """Make a version current if the gates let it pass, or for a reason that the history keeps.

    Raises:
        PromotionRefused: a gate fails, and no reason is given to overrule it; nothing changed.
        RegistryError: as of ``Store.promote``.
    """
    name, version = store.newest(reference)
    told: list[tuple[Verdict, str]] = []

    def consent(_: int | None) -> tuple[Verdict, str]:
        verdict = check(store, f"{name}@{version}", champion, limits, force)
        told.append((verdict, "" if verdict.passed else force))
        return told[-1]

    store.promote(f"{name}@{version}", consent)
    verdict, forced = told[-1] if told else (None, "")
    return Promoted(name, version, verdict, forced)
