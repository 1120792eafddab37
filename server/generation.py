"""A generation: the models that answer together, swapped as one.

A request reads ``Serving.generation`` once and uses that object to its end, so it never sees half a switch.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from registry.errors import BrokenEntry
from registry.store import Store
from server.admission import Line
from server.errors import NotLoaded
from server.model import Model
from server.plan import Plan, PlannedModel
from server.problem import Headers
from server.shadow import Ghost, Shadows
from server.split import Split, Turns, Variable
from server.traffic import Variant

log = logging.getLogger("mps")


class Lane(msgspec.Struct, frozen=True):
    """A model as one generation serves it: with the headers that its answers carry."""

    model: Model
    headers: Headers
    series: int


class Generation:
    """Loaded models of one plan."""

    def __init__(self, plan: Plan, lanes: dict[str, Lane], turns: Turns) -> None:
        """``lanes`` by reference."""
        self.plan = plan
        self.number = plan.generation
        self.champion = lanes[plan.champion.reference]
        self.lanes = {route: lanes[reference] for route, reference in plan.routes.items()}
        self._split = Split(plan.traffic, turns) if plan.traffic.split else None
        self.variants = [_shared(lanes[each.model], each) for each in plan.traffic.split]
        """Of the split, in its order."""
        self.ghosts = [Ghost(lanes[each.model].model, each.series) for each in plan.traffic.shadows]
        """Of the shadows."""
        self.max_batch_rows = plan.resolved.settings.max_batch_rows
        self.timeout_ns = plan.resolved.settings.request_timeout_ms * 1_000_000

    def lane(self, name: str) -> Lane:
        """The model of that name.

        Raises:
            NotLoaded
        """
        found = self.lanes.get(name)
        if found is None:
            raise NotLoaded(f"no model {name[:80]!r} is loaded; loaded: {', '.join(sorted(self.lanes))}")
        return found

    def dealt(self, variable: Variable) -> tuple[Lane, bool]:
        """Who answers this request of ``/predict``, and whether it lacks the sticky header.

        Raises:
            InvalidValues: the sticky header is too long.
        """
        if self._split is None:
            return self.champion, False
        index, keyless = self._split.choose(variable)
        return self.variants[index], keyless


class Serving:
    """The one place where a worker keeps what it serves now. Commit is one assignment."""

    def __init__(self) -> None:
        """Nothing is served before the first commit."""
        self._generation: Generation | None = None
        self.line = Line()
        """The heavy requests of this worker, of all generations."""
        self.turns = Turns()
        """Of the splits of all generations."""
        self.shadows: Shadows | None = None
        """Meets the copies of requests; None until this worker has counters."""
        self.attached = False
        """Whether the supervisor can reach this worker: without it no switch would reach it either."""

    @property
    def generation(self) -> Generation:
        """What is served now; the application starts only after the first commit."""
        assert self._generation is not None, "the application started before the first commit"
        return self._generation

    @property
    def ready(self) -> bool:
        """The configured set is loaded, its golden rows passed, and a switch would reach this worker."""
        return self._generation is not None and self.attached

    def commit(self, generation: Generation) -> None:
        """Every request that starts from now on is answered by ``generation``."""
        self._generation = generation
        if self.shadows:
            self.shadows.keep(generation.ghosts)
        settings = generation.plan.resolved.settings
        log.setLevel(settings.log_level)
        log.info("serving generation %d: %s", generation.number, generation.plan.champion.reference)

    def prepare(self, plan: Plan, prepared: Generation | None = None) -> Generation:
        """Load what the plan needs and the present generation does not have. Serves nothing yet.

        Args:
            plan: of the new one.
            prepared: what was prepared before and not committed. What it has is not loaded again: a worker
                that joins while models are switched without a pause would never come to an end.

        Raises:
            BrokenEntry: an entry is not the one that was planned, or does not pass its golden rows.
        """
        generations = [known for known in (prepared, self._generation) if known]
        loaded = {lane.model.seal: lane.model for known in generations for lane in known.lanes.values()}
        store = Store(Path(plan.resolved.settings.registry))
        lanes = {}
        for planned in plan.models:
            model = loaded.get(planned.seal) or _load(store, planned)
            lanes[planned.reference] = Lane(model, _headers(planned, plan.generation), planned.series)
        return Generation(plan, lanes, self.turns)


def _load(store: Store, planned: PlannedModel) -> Model:
    entry = store.read(planned.name, planned.version)
    if entry.seal != planned.seal:
        raise BrokenEntry(f"{planned.reference} changed while it was being loaded; try again")
    return Model(entry)


def _shared(lane: Lane, variant: Variant) -> Lane:
    """The lane of a variant: its answers say so, and are counted by themselves."""
    return Lane(lane.model, (*lane.headers, ("X-Model-Variant", variant.name)), variant.series)


def _headers(planned: PlannedModel, generation: int) -> Headers:
    return (
        ("X-Model-Name", planned.name),
        ("X-Model-Version", str(planned.version)),
        ("X-Model-Generation", str(generation)),
    )
