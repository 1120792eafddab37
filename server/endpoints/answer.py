"""A framework-free reply as a Litestar response; every error as a problem."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from server.problem import Reply, framework_problem, problem

AnyRequest = Request[Any, Any, Any]
HINTS = {404: "no such path; GET /docs lists what there is", 405: "the path does not answer this method"}


def respond(reply: Reply) -> Response[bytes]:
    """The reply, byte for byte."""
    return Response(reply.body, status_code=reply.status, headers=reply.headers, media_type=reply.media_type)


def json_answer(content: object, status: int = 200) -> Response[bytes]:
    """Any record as JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def on_http_error(_: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses. Its own words are kept to itself."""
    reply = framework_problem(error.status_code, HINTS.get(error.status_code, "the request is refused"))
    return respond(reply._replace(headers={**reply.headers, **(error.headers or {})}))


def on_error(_: AnyRequest, error: Exception) -> Response[bytes]:
    """What our own code raises."""
    return respond(problem(error))
