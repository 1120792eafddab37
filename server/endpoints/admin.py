"""Who may decide: holders of the bearer token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from server.bearer import check_token
from server.generation import Serving

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]


def admin(serving: Serving) -> Guard:
    """Lets pass who holds the token of the present generation."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        check_token(
            serving.generation.plan.resolved.settings.admin_token, connection.headers.get("authorization")
        )

    return guard
