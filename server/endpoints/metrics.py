"""``GET /metrics``: Prometheus text, summed over workers."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from server.counters import Counters
from server.exposition import exposition
from server.generation import Serving


def metrics_route(serving: Serving, counters: Counters) -> HTTPRouteHandler:
    """The handler, bound to what this worker serves."""

    @get("/metrics", sync_to_thread=False)
    def metrics() -> Response[str]:
        plan = serving.generation.plan
        text = exposition(counters, plan.series, plan.generation, plan.champion.reference)
        return Response(text, media_type="text/plain; version=0.0.4")

    return metrics
