"""``POST /explain`` and ``/models/{name}/explain``: in a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from server.endpoints.answer import AnyRequest, respond
from server.endpoints.asking import asked
from server.endpoints.body import Read
from server.explanation.desk import MAX_WAITING, Desk
from server.generation import Serving

THREADS = 2 * (1 + MAX_WAITING)
"""Those who are let in, and as many who are being sent away."""


def explanation_routes(serving: Serving, read: Read) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""
    desk = Desk(serving)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="explanation")

    async def answer(request: AnyRequest, name: str | None) -> Response[bytes]:
        ask = await asked(request, name, read)
        return respond(await asyncio.get_running_loop().run_in_executor(threads, desk.explain, ask))

    @post("/explain", status_code=200)
    async def champion(request: AnyRequest) -> Response[bytes]:
        return await answer(request, None)

    @post("/models/{name:str}/explain", status_code=200)
    async def named(request: AnyRequest) -> Response[bytes]:
        return await answer(request, request.path_params["name"])

    return [champion, named]
