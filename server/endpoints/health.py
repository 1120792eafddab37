"""``GET /health``, ``/health/live``, ``/health/ready``."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from server.endpoints.answer import json_answer
from server.generation import Serving


def health_routes(serving: Serving) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""

    def status() -> dict[str, object]:
        generation = serving.generation
        champion = generation.plan.champion
        return {
            "status": "ok" if serving.ready else "not ready",
            "model": champion.name,
            "version": champion.version,
            "generation": generation.number,
        }

    @get("/health", sync_to_thread=False)
    def health() -> Response[bytes]:
        return json_answer(status())

    @get("/health/live", sync_to_thread=False)
    def live() -> Response[bytes]:
        return json_answer({"status": "ok"})

    @get("/health/ready", sync_to_thread=False)
    def ready() -> Response[bytes]:
        return json_answer(status(), 200 if serving.ready else 503)

    return [health, live, ready]
