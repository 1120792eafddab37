"""A framework-free reply as a Litestar response; every error as a problem."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import Headers
from litestar.exceptions import HTTPException
from msgspec.structs import replace

from server.problem import Reply, framework_problem, problem
from server.requestid import HEADER, request_id

AnyRequest = Request[Any, Any, Any]
SCOPE_KEY = "mps.request_id"
HINTS = {404: "no such path; GET /docs lists what there is", 405: "the path does not answer this method"}


def respond(reply: Reply) -> Response[bytes]:
    """The reply, byte for byte."""
    headers = dict(reply.headers)
    return Response(reply.body, status_code=reply.status, headers=headers, media_type=reply.media_type)


def json_answer(content: object, status: int = 200) -> Response[bytes]:
    """Any record as JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def on_http_error(_: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses. Its own words are kept to itself."""
    reply = framework_problem(error.status_code, HINTS.get(error.status_code, "the request is refused"))
    return respond(replace(reply, headers=(*reply.headers, *(error.headers or {}).items())))


def on_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What our own code raises."""
    return respond(problem(error, id_of(request.scope)))


def id_of(scope: Any) -> str:
    """Of the request that a scope is of; made when it is first asked for."""
    found: str | None = scope.get(SCOPE_KEY)
    if found is None:
        given = Headers.from_scope(scope).get(HEADER)
        found = scope[SCOPE_KEY] = request_id(given)
    return found


async def add_id(message: Any, scope: Any) -> None:
    """Let every answer carry its request's id; a hook of the application."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (HEADER.lower().encode(), id_of(scope).encode())]
