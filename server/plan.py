"""The plan of a generation: drawn once from settings and registry, carried out by every worker."""

from __future__ import annotations

from pathlib import Path

import msgspec

from registry.manifest import Signature, label_text
from registry.store import Store
from server.counters import series_index
from server.errors import ReloadRefused, SettingsError
from server.settings import Resolved


class PlannedModel(msgspec.Struct, frozen=True):
    """One entry to load, pinned to its bytes."""

    name: str
    version: int
    seal: str
    """Every worker loads exactly these bytes or refuses."""
    signature: Signature
    series: int
    """Where its counters are kept."""

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"


class Plan(msgspec.Struct, frozen=True):
    """What a generation consists of: decided once for all workers, small enough to send around."""

    generation: int
    resolved: Resolved
    champion: PlannedModel
    """What ``/predict`` answers with."""
    models: tuple[PlannedModel, ...]
    routes: dict[str, str]
    """Name in a URL (``name`` or ``name@version``) to the reference of the model that answers there."""
    series: tuple[str, ...]
    """Reference of every model that ever had counters, by position."""


def draw(resolved: Resolved, generation: int, series: tuple[str, ...] = ()) -> Plan:
    """Resolve every name to a version and pin its bytes.

    Args:
        resolved: the settings of the new generation.
        generation: its number.
        series: references that have counters already; their positions stay.

    Raises:
        SettingsError: a setting names a model that is not there.
        RegistryError: the registry itself is broken.
    """
    settings = resolved.settings
    store = Store(Path(settings.registry))
    wanted = list(settings.models) if settings.models is not None else store.names()
    routes: dict[str, str] = {}
    pinned: dict[str, tuple[str, int]] = {}
    for setting, reference in [*(("models", name) for name in wanted), ("model_type", settings.model_type)]:
        name, version = _resolve(store, setting, reference)
        exact = f"{name}@{version}"
        pinned[exact] = (name, version)
        routes[exact] = exact
        if "@" not in reference or name not in routes:
            routes[name] = exact
        champion = exact
    series += tuple(reference for reference in pinned if reference not in series)
    models = {
        exact: PlannedModel(
            name,
            version,
            store.seal(name, version),
            store.manifest(name, version).signature,
            series_index(series, exact),
        )
        for exact, (name, version) in pinned.items()
    }
    return Plan(generation, resolved, models[champion], tuple(models.values()), routes, series)


def check_follows(now: Plan, new: Plan, allow_signature_change: bool) -> None:
    """Refuse a plan in which requests or answers of some path look different, unless that is meant.

    Raises:
        ReloadRefused
    """
    if allow_signature_change:
        return
    mine, theirs = ({model.reference: model for model in each.models} for each in (now, new))
    pairs = [("/predict", now.champion, new.champion)]
    for route in sorted(now.routes.keys() & new.routes.keys()):
        pairs.append((f"/models/{route}", mine[now.routes[route]], theirs[new.routes[route]]))
    for path, old, fresh in pairs:
        if old.signature.interface != fresh.signature.interface:
            raise ReloadRefused(
                f"{path}: {fresh.reference} has another signature than {old.reference}: "
                f"features {', '.join(fresh.signature.names)}; {_answers(fresh.signature)}. "
                "Add ?allow_signature_change=true (mps reload --allow-signature-change) if that is meant"
            )


def _answers(signature: Signature) -> str:
    if not signature.classes:
        return "a regression, no classes"
    unsure = "" if signature.probabilities else ", without probabilities"
    return f"classes {', '.join(map(label_text, signature.classes))}{unsure}"


def _resolve(store: Store, setting: str, reference: str) -> tuple[str, int]:
    try:
        return store.resolve(reference)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"{setting}: {error}") from None
