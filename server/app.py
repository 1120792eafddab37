"""The composition root: puts the application together and does nothing else."""

from __future__ import annotations

from litestar import Litestar
from litestar.exceptions import HTTPException

from server.counters import Counters
from server.endpoints.answer import add_id, on_error, on_http_error
from server.endpoints.body import body_reader
from server.endpoints.config import config_router
from server.endpoints.docs import docs_routes
from server.endpoints.explanation import explanation_routes
from server.endpoints.health import health_routes
from server.endpoints.metrics import metrics_route
from server.endpoints.models import model_routes
from server.endpoints.prediction import prediction_routes
from server.endpoints.traffic import traffic_router
from server.endpoints.v2 import v2_router
from server.generation import Serving


def create_app(serving: Serving, counters: Counters, control: str) -> Litestar:
    """The whole application; any ASGI server can host it.

    Args:
        serving: at its first generation already.
        counters: this worker's.
        control: address of the supervisor.
    """
    max_body_bytes = serving.generation.plan.resolved.settings.max_body_bytes
    read = body_reader(max_body_bytes)
    return Litestar(
        route_handlers=[
            *prediction_routes(serving, counters, read),
            *explanation_routes(serving, read),
            *model_routes(serving),
            *health_routes(serving),
            *docs_routes(serving),
            metrics_route(serving, counters),
            config_router(serving, control, read),
            traffic_router(serving, counters, control, read),
            v2_router(serving, counters, control, read),
        ],
        exception_handlers={HTTPException: on_http_error, Exception: on_error},
        before_send=[add_id],
        request_max_body_size=max_body_bytes,
        openapi_config=None,  # the document depends on the models and is made by server.openapi
        logging_config=None,
    )
