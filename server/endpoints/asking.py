"""What a request asks of a plain function: the same for every endpoint that answers from a model."""

from __future__ import annotations

from time import perf_counter_ns

from server.endpoints.answer import AnyRequest, id_of, variable
from server.endpoints.body import Read
from server.prediction import Ask


async def asked(request: AnyRequest, model: str | None, read: Read) -> Ask:
    """With its body; ``model`` as the path names it, None the champion."""
    arrived_ns = perf_counter_ns()
    headers = request.headers
    return Ask(
        model=model,
        content_type=headers.get("content-type"),
        query=request.scope["query_string"].decode("latin-1"),
        body=await read(request),
        timeout_ms=headers.get("x-request-timeout-ms"),
        request_id=id_of(request.scope),
        arrived_ns=arrived_ns,
        received_ns=perf_counter_ns(),
        variable=variable(request),
    )
