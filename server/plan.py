"""The plan of a generation: drawn once from settings and registry, carried out by every worker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from registry.manifest import Signature, label_text
from registry.store import Store
from server.counters import series_index
from server.errors import ReloadRefused, SettingsError
from server.settings import Resolved, Settings
from server.traffic import SHADOW, SPLIT, Aborted, Rollout, Shadow, Traffic, Variant, dealt, slots


class PlannedModel(msgspec.Struct, frozen=True):
    """One entry to load, pinned to its bytes."""

    name: str
    version: int
    seal: str
    """Every worker loads exactly these bytes or refuses."""
    signature: Signature
    budget_ms: float
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
    """Whatever ever had counters, by position: references of models, some with what they answered as."""
    traffic: Traffic


class Past(msgspec.Struct, frozen=True):
    """What a plan takes over from those before it."""

    series: tuple[str, ...] = ()
    """References that have counters already; their positions stay."""
    aborted: tuple[Aborted, ...] = ()
    rollout: Rollout | None = None


def draw(resolved: Resolved, generation: int, past: Past = Past()) -> Plan:  # noqa: B008  it is frozen
    """Resolve every name to a version and pin its bytes.

    Args:
        resolved: the settings of the new generation.
        generation: its number.
        past: what went before.

    Raises:
        SettingsError: a setting names a model that is not there, or one that cannot share the traffic.
        RegistryError: the registry itself is broken.
    """
    settings = resolved.settings
    store = Store(Path(settings.registry))
    wanted = [("models", name) for name in (store.names() if settings.models is None else settings.models)]
    wanted += [("split", name) for name in settings.split or ()]
    wanted += [("shadow", name) for name in settings.shadow]
    routes: dict[str, str] = {}
    pinned: dict[str, tuple[str, int]] = {}
    references: dict[str, str] = {}
    for setting, reference in [*wanted, ("model_type", settings.model_type)]:
        name, version = _resolve(store, setting, reference)
        exact = references[reference] = f"{name}@{version}"
        pinned[exact] = (name, version)
        routes[exact] = exact
        if "@" not in reference or name not in routes:
            routes[name] = exact
    champion = references[settings.model_type]
    series = _longer(past.series, [*pinned, *_series_of_traffic(settings, references)])
    traffic = _traffic(settings, references, series, past)
    models = {exact: _planned(store, *pin, series_index(series, exact)) for exact, pin in pinned.items()}
    _check_shared(models, champion, traffic)
    return Plan(generation, resolved, models[champion], tuple(models.values()), routes, series, traffic)


def redeal(now: Plan, resolved: Resolved, past: Past) -> Plan:
    """The same models, with other traffic: nothing is read, so nothing can have changed or be missing.

    Args:
        now: what is served.
        resolved: settings as they are, but for ``model_type`` and ``split``.
        past: what was decided; its series are not looked at.

    Raises:
        SettingsError: a model is not among those of ``now``.
    """
    settings = resolved.settings
    models = {model.reference: model for model in now.models}
    references = {}
    for name in (*(settings.split or ()), *settings.shadow, settings.model_type):
        references[name] = now.routes.get(name, name)
        if references[name] not in models:
            raise SettingsError(f"{name} is not loaded")
    series = _longer(now.series, _series_of_traffic(settings, references))
    traffic = _traffic(settings, references, series, past)
    champion = models[references[settings.model_type]]
    return Plan(now.generation + 1, resolved, champion, now.models, now.routes, series, traffic)


def _planned(store: Store, name: str, version: int, series: int) -> PlannedModel:
    manifest = store.manifest(name, version)
    seal = store.seal(name, version)
    return PlannedModel(name, version, seal, manifest.signature, manifest.card.budget_ms, series)


def reference(settings: Settings, setting: str, name: str) -> str:
    """``name@version`` of a model in the registry.

    Raises:
        SettingsError: it is not there; says so of ``setting``.
    """
    return "{}@{}".format(*_resolve(Store(Path(settings.registry)), setting, name))


def _longer(series: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*series, *more)))


def _series_of_traffic(settings: Settings, references: dict[str, str]) -> list[str]:
    sharers = [*settings.split, settings.model_type] if settings.split is not None else []
    return [references[name] + SPLIT for name in sharers] + [
        references[name] + SHADOW for name in settings.shadow
    ]


def _traffic(settings: Settings, references: dict[str, str], series: tuple[str, ...], past: Past) -> Traffic:
    split: tuple[Variant, ...] = ()
    if settings.split is not None:
        aborted = frozenset(each.model for each in past.aborted)
        shares = dealt(slots(settings.split), references, references[settings.model_type], aborted)
        split = tuple(
            Variant(name, model, count, series_index(series, model + SPLIT))
            for model, (name, count) in shares.items()
        )
    shadowing = dict.fromkeys(references[name] for name in settings.shadow)
    shadows = tuple(Shadow(model, series_index(series, model + SHADOW)) for model in shadowing)
    return Traffic(split, settings.sticky_header, shadows, past.aborted, past.rollout)


def _check_shared(models: dict[str, PlannedModel], champion: str, traffic: Traffic) -> None:
    """Whoever answers the requests of ``/predict``, or meets copies of them, takes what its champion takes.

    Raises:
        SettingsError
    """
    for setting, sharers in (("split", traffic.split), ("shadow", traffic.shadows)):
        for sharer in sharers:
            mine, own = models[sharer.model].signature, models[champion].signature
            if mine.interface != own.interface:
                raise SettingsError(
                    f"{setting}: {sharer.model} has another signature than {champion}, which /predict answers"
                    f" with: features {', '.join(mine.names)}; {_answers(mine)}"
                )


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
