"""``GET /docs`` and ``/openapi.json``: nothing is fetched from anywhere else."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from server.generation import Generation, Serving
from server.openapi import document

PAGE = Path(__file__).parent.parent / "docs.html"
HEADERS = {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src data:"}


def docs_routes(serving: Serving) -> list[HTTPRouteHandler]:
    """Handlers bound to what this worker serves."""
    page = PAGE.read_bytes()

    @lru_cache(maxsize=1)
    def made(generation: Generation) -> bytes:
        return msgspec.json.encode(document(generation))

    @get("/", include_in_schema=False, status_code=307, sync_to_thread=False)
    def home() -> Redirect:
        return Redirect("/docs")

    @get("/docs", sync_to_thread=False)
    def docs() -> Response[bytes]:
        return Response(page, headers=HEADERS, media_type="text/html")

    @get("/openapi.json", sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(made(serving.generation), media_type="application/json")

    return [home, docs, openapi]
