"""Everything under ``/v2``: the Open Inference Protocol over HTTP."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler

from registry.store import Store
from server.admission import MAX_WAITING
from server.counters import Counters
from server.endpoints.admin import admin
from server.endpoints.answer import AnyRequest, json_answer, respond
from server.endpoints.asking import asked
from server.endpoints.body import Read
from server.errors import MalformedBody, TooLarge
from server.generation import Generation, Lane, Serving
from server.switching import request as switching
from server.switching.messages import Load, Unload
from server.v2 import metadata
from server.v2.inference import count, infer
from server.v2.refusal import refuse
from server.v2.statistics import statistics

THREADS = MAX_WAITING + 2
NAMED, VERSIONED = "/models/{name:str}", "/models/{name:str}/versions/{version:str}"


def v2_router(serving: Serving, counters: Counters, control: str, read: Read) -> Router:
    """The complete protocol; the repository's part is for holders of the token."""
    repository = Router(
        "/repository",
        route_handlers=_repository_routes(serving, control, read),
        guards=[admin(serving)],
    )
    return Router(
        "/v2",
        route_handlers=[
            *_server_routes(serving),
            *_model_routes(serving, counters),
            _inference_route(serving, counters, read),
            repository,
        ],
    )


def _server_routes(serving: Serving) -> list[HTTPRouteHandler]:
    @get("/", sync_to_thread=False)
    def about() -> Response[bytes]:
        return json_answer(metadata.server())

    @get("/health/live", sync_to_thread=False)
    def live() -> Response[bytes]:
        return json_answer({"live": True})

    @get("/health/ready", sync_to_thread=False)
    def ready() -> Response[bytes]:
        said = {"ready": serving.ready, "live": True}
        return json_answer(said, 200 if serving.ready else 503)

    return [about, live, ready]


def _model_routes(serving: Serving, counters: Counters) -> list[HTTPRouteHandler]:
    @get("/models", sync_to_thread=False)
    def models() -> Response[bytes]:
        return json_answer({"models": sorted({each.name for each in serving.generation.plan.models})})

    @get([NAMED, VERSIONED], sync_to_thread=False)
    def about(request: AnyRequest) -> Response[bytes]:
        return json_answer(metadata.model(*_lane(serving, request)))

    @get([f"{NAMED}/ready", f"{VERSIONED}/ready"], sync_to_thread=False)
    def ready(request: AnyRequest) -> Response[bytes]:
        lane, _ = _lane(serving, request)
        said = {"name": lane.model.manifest.name, "ready": serving.ready}
        return json_answer(said, 200 if serving.ready else 503)

    @get([f"{NAMED}/config", f"{VERSIONED}/config"], sync_to_thread=False)
    def config(request: AnyRequest) -> Response[bytes]:
        return json_answer(metadata.config(_lane(serving, request)[0]))

    @get([f"{NAMED}/stats", f"{VERSIONED}/stats"], sync_to_thread=False)
    def stats(request: AnyRequest) -> Response[bytes]:
        """Of one version, or of all that are loaded."""
        lane, generation = _lane(serving, request)
        asked, one = lane.model.manifest, "version" in request.path_params
        found = [
            each
            for each in generation.plan.models
            if each.name == asked.name and (not one or each.version == asked.version)
        ]
        return json_answer({"model_stats": [statistics(each, counters) for each in found]})

    @get("/models/stats", sync_to_thread=False)
    def all_stats() -> Response[bytes]:
        models = serving.generation.plan.models
        return json_answer({"model_stats": [statistics(each, counters) for each in models]})

    return [models, about, ready, config, stats, all_stats]


def _lane(serving: Serving, request: AnyRequest) -> tuple[Lane, Generation]:
    generation = serving.generation
    return generation.lane(_reference(request)), generation


def _reference(request: AnyRequest) -> str:
    name: str = request.path_params["name"]
    version: str | None = request.path_params.get("version")
    return name if version is None else f"{name}@{version}"


def _inference_route(serving: Serving, counters: Counters, read: Read) -> HTTPRouteHandler:
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="inference")

    @post([f"{NAMED}/infer", f"{VERSIONED}/infer"], status_code=200)
    async def inference(request: AnyRequest) -> Response[bytes]:
        ask = await asked(request, _reference(request), read)
        inferred = await asyncio.get_running_loop().run_in_executor(threads, infer, serving, ask)
        count(counters, inferred)
        return respond(inferred.reply)

    return inference


def _repository_routes(serving: Serving, control: str, read: Read) -> list[HTTPRouteHandler]:
    @post("/index", status_code=200)
    async def index(request: AnyRequest) -> Response[bytes]:
        wanted = _fields(await read(request))
        generation = serving.generation
        store = Store(Path(generation.plan.resolved.settings.registry))
        found = await asyncio.to_thread(metadata.index, store, generation, wanted.get("ready") is True)
        return json_answer(found)

    @post("/models/{name:str}/load", status_code=200)
    async def load(request: AnyRequest) -> Response[bytes]:
        if _fields(await read(request)).get("parameters"):
            raise refuse("load takes no parameters here: a model is what was published in the registry")
        await switching.switch(control, Load(request.path_params["name"]))
        return Response(b"", status_code=200, media_type="application/json")

    @post("/models/{name:str}/unload", status_code=200)
    async def unload(request: AnyRequest) -> Response[bytes]:
        _fields(await read(request))
        await switching.switch(control, Unload(request.path_params["name"]))
        return Response(b"", status_code=200, media_type="application/json")

    return [index, load, unload]


def _fields(body: bytes | TooLarge) -> dict[str, Any]:
    """Of a body that may be empty."""
    if isinstance(body, TooLarge):
        raise TooLarge(*body.args)
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.ValidationError:
        raise refuse("expected an object or nothing") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedBody("expected JSON or nothing, came something else") from None
