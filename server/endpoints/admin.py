"""Who may decide: holders of the bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from server.errors import AdminClosed, Unauthorized
from server.generation import Serving

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]


def admin(serving: Serving) -> Guard:
    """Lets pass who holds the token of the present generation."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        check_token(
            serving.generation.plan.resolved.settings.admin_token, connection.headers.get("authorization")
        )

    return guard


def check_token(expected: str | None, authorization: str | None) -> None:
    """Let the holder of the token through.

    Raises:
        AdminClosed: no token is set.
        Unauthorized: the header is absent or wrong.
    """
    if expected is None:
        raise AdminClosed(
            "set MPS_ADMIN_TOKEN (16 characters or more) on the server to open the admin endpoints"
        )
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthorized(
            "expected the header 'Authorization: Bearer <token>' with the server's MPS_ADMIN_TOKEN"
        )
