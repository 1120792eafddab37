"""A framework-free reply as a Litestar response; every error as a problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import Headers
from litestar.exceptions import HTTPException
from msgspec.structs import replace

from server.problem import Reply, framework_problem, problem
from server.requestid import HEADER, request_id
from server.v2.problem import problem as v2_problem
from server.v2.problem import refusal, speaks

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


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses. Its own words are kept to itself."""
    made = refusal if speaks(request.scope["path"]) else framework_problem
    reply = made(error.status_code, HINTS.get(error.status_code, "the request is refused"))
    return respond(replace(reply, headers=(*reply.headers, *(error.headers or {}).items())))


def on_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What our own code raises."""
    made = v2_problem if speaks(request.scope["path"]) else problem
    return respond(made(error, id_of(request.scope)))


def id_of(scope: Any) -> str:
    """Of the request that a scope is of; made when it is first asked for."""
    found: str | None = scope.get(SCOPE_KEY)
    if found is None:
        given = Headers.from_scope(scope).get(HEADER)
        found = scope[SCOPE_KEY] = request_id(given)
    return found


def variable(request: AnyRequest) -> Callable[[str], str | None]:
    """Looks up a header by its CGI name, as the synchronous front has it: repeated ones with commas between
    them, and nothing where it is not ASCII."""
    headers = request.headers

    def look_up(name: str) -> str | None:
        found = headers.getall(name.removeprefix("HTTP_").replace("_", "-"), [])
        value = ",".join(found)
        return (value if value.isascii() else "") if found else None

    return look_up


async def add_id(message: Any, scope: Any) -> None:
    """Let every answer carry its request's id; a hook of the application."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (HEADER.lower().encode(), id_of(scope).encode())]
