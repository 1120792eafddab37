"""Who holds the token, whichever way it came."""

from __future__ import annotations

import hmac

from server.errors import AdminClosed, Unauthorized


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
