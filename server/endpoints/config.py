"""``GET /config`` and ``POST /config/reload``: for holders of the bearer token."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, get, post

from server.endpoints.admin import admin
from server.endpoints.answer import AnyRequest, json_answer
from server.endpoints.body import Read
from server.errors import Fault, InvalidValues, MalformedBody, TooLarge
from server.generation import Serving
from server.plan import Plan
from server.prediction import expect_json
from server.settings import HINTS
from server.switching import request as switching
from server.switching.messages import Reload


def config_router(serving: Serving, control: str, read: Read) -> Router:
    """Handlers behind one guard: a route added to this router cannot forget it."""

    @get("/", sync_to_thread=False)
    def config() -> Response[bytes]:
        return json_answer(_effective(serving.generation.plan))

    @post("/reload", status_code=200)
    async def reload(request: AnyRequest) -> Response[bytes]:
        if request.headers.get("content-length", "0") != "0":
            expect_json(request.headers.get("content-type"))
        allow = _allow_signature_change(request.scope["query_string"].decode("latin-1"))
        body = await read(request)
        if isinstance(body, TooLarge):
            raise TooLarge(*body.args)
        done = await switching.switch(control, Reload(_change(body), allow))
        return json_answer(msgspec.structs.asdict(done))

    return Router("/config", route_handlers=[config, reload], guards=[admin(serving)])


def _effective(plan: Plan) -> dict[str, Any]:
    resolved = plan.resolved
    values = msgspec.to_builtins(resolved.settings)
    values["admin_token"] = "(set)"  # whoever reads this has it
    return {
        "generation": plan.generation,
        "settings": {name: {"value": values[name], "source": resolved.sources[name]} for name in HINTS},
        "needs_restart": resolved.needs_restart,
    }


def _allow_signature_change(query: str) -> bool:
    if query in ("", "allow_signature_change=false"):
        return False
    if query == "allow_signature_change=true":
        return True
    raise InvalidValues(
        [Fault("?", f"expected ?allow_signature_change=true or nothing, came {query[:80]!r}")]
    )


def _change(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.ValidationError:
        raise InvalidValues(
            [Fault("", 'expected an object of settings such as {"model_type":"xgboost"}')]
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedBody("expected JSON or nothing, came something else") from None
