"""``GET /models`` and ``GET /models/{name}``: what is loaded, in human terms."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from server.endpoints.answer import AnyRequest, json_answer
from server.generation import Generation, Lane, Serving


def model_routes(serving: Serving) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""

    @get("/models", sync_to_thread=False)
    def models() -> Response[bytes]:
        generation = serving.generation
        lanes = {lane.model.manifest.reference: lane for lane in generation.lanes.values()}
        rows = [_row(lane, generation) for _, lane in sorted(lanes.items())]
        return json_answer({"generation": generation.number, "models": rows})

    @get("/models/{name:str}", sync_to_thread=False)
    def model(request: AnyRequest) -> Response[bytes]:
        generation = serving.generation
        lane = generation.lane(request.path_params["name"])
        return json_answer({**_row(lane, generation), **_details(lane)})

    return [models, model]


def _row(lane: Lane, generation: Generation) -> dict[str, Any]:
    manifest = lane.model.manifest
    row = {
        "name": manifest.name,
        "version": manifest.version,
        "serves_predict": lane.model is generation.champion.model,
        "description": manifest.card.description,
        "task": manifest.card.task,
        "features": manifest.signature.names,
        "classes": manifest.signature.classes,
        "probabilities": not lane.model.why_no_probabilities,
        "budget_ms": manifest.card.budget_ms,
        "size_bytes": manifest.size_bytes,
    }
    inexact = manifest.parity.inexact
    return {**row, "inexact": inexact} if inexact else row


def _details(lane: Lane) -> dict[str, Any]:
    manifest = lane.model.manifest
    card = manifest.card
    parity = msgspec.to_builtins(manifest.parity)
    del parity["inexact"]  # told beside the name, and only where there is something to tell
    return {
        "features": [msgspec.to_builtins(feature) for feature in manifest.signature.features],
        "example": lane.model.schema.example(),
        "trained_on": {name: getattr(card.training_data, name) for name in ("name", "rows", "sha256")},
        "metrics": card.metrics,
        "parity": parity,
        "verdict": manifest.verdict,
        "measured": manifest.measured,
        "versions": manifest.versions,
        "opsets": manifest.opsets,
        "sha256": manifest.sha256,
    }
