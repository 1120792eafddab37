"""``GET /traffic``: who answers ``/predict``, and how well; ``POST`` and ``DELETE /traffic/rollout``."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, post

from server.counters import DISAGREED, KEYLESS, PREDICT, SKIPPED, Counters
from server.endpoints.admin import admin
from server.endpoints.answer import AnyRequest, json_answer
from server.endpoints.body import Read
from server.errors import Fault, InvalidValues, MalformedBody, TooLarge
from server.generation import Serving
from server.plan import Plan
from server.prediction import expect_json
from server.seen import FAILED, OK, REFUSED, Seen
from server.switching import request as switching
from server.switching.messages import AbortRollout, StartRollout
from server.traffic import Rollout, Shadow, Traffic, Variant


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /traffic/rollout``."""

    model: str
    steps: tuple[float, ...]
    hold_s: float


def traffic_router(serving: Serving, counters: Counters, control: str, read: Read) -> Router:
    """What is decided is open, as the metrics are; deciding is for holders of the token."""

    @get("/", sync_to_thread=False)
    def traffic() -> Response[bytes]:
        return json_answer(report(serving.generation.plan, counters))

    @post("/rollout", status_code=200, guards=[admin(serving)])
    async def start(request: AnyRequest) -> Response[bytes]:
        expect_json(request.headers.get("content-type"))
        body = await read(request)
        if isinstance(body, TooLarge):
            raise TooLarge(*body.args)
        wanted = _wanted(body)
        asked = StartRollout(wanted.model, wanted.steps, wanted.hold_s)
        return json_answer(msgspec.structs.asdict(await switching.switch(control, asked)))

    @delete("/rollout", status_code=200, guards=[admin(serving)])
    async def abort() -> Response[bytes]:
        return json_answer(msgspec.structs.asdict(await switching.switch(control, AbortRollout())))

    return Router("/traffic", route_handlers=[traffic, start, abort])


def _wanted(body: bytes) -> Wanted:
    try:
        return msgspec.json.decode(body, type=Wanted)
    except msgspec.ValidationError as error:
        words = f'{error}; expected such as {{"model":"xgboost","steps":[1,10,50,100],"hold_s":60}}'
        raise InvalidValues([Fault("", words)]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedBody("expected JSON, came something else") from None


def report(plan: Plan, counters: Counters) -> dict[str, Any]:
    """What is decided, and what was seen since: summed over all workers."""
    traffic = plan.traffic
    settings = plan.resolved.settings
    return {
        "generation": plan.generation,
        "champion": plan.champion.reference,
        "sticky_header": traffic.sticky_header,
        "variants": _variants(traffic, counters),
        "shadows": [_shadow(shadow, _seen(shadow, traffic, counters)) for shadow in traffic.shadows],
        "limits": {
            "error_percent": settings.abort_error_percent,
            "p99_ms": settings.abort_p99_ms or {each.reference: each.budget_ms for each in plan.models},
            "min_requests": settings.abort_min_requests,
            "window_s": settings.abort_window_s,
        },
        "aborted": traffic.aborted,
        "rollout": _rollout(traffic.rollout),
    }


def _seen(each: Variant | Shadow, traffic: Traffic, counters: Counters) -> Seen:
    return Seen(counters.sums(each.series), traffic.since.get(each.series, ()))


def _variants(traffic: Traffic, counters: Counters) -> list[dict[str, Any]]:
    seen = [_seen(variant, traffic, counters) for variant in traffic.split]
    together = sum(each.requests for each in seen)
    return [_variant(*pair, together) for pair in zip(traffic.split, seen, strict=True)]


def _variant(variant: Variant, seen: Seen, together: int) -> dict[str, Any]:
    return {
        "variant": variant.name,
        "model": variant.model,
        "percent": variant.percent,
        "seen_percent": round(seen.requests * 100 / together, 2) if together else None,
        "requests": seen.requests,
        "rows": seen.rows,
        "refused": seen.with_status(REFUSED),
        "failed": seen.with_status(FAILED),
        "keyless": seen.note(KEYLESS),
        "p50_at_most_ms": seen.at_most_ms(PREDICT, 50),
        "p99_at_most_ms": seen.at_most_ms(PREDICT, 99),
    }


def _shadow(shadow: Shadow, seen: Seen) -> dict[str, Any]:
    rows, disagreed = seen.rows, seen.note(DISAGREED)
    return {
        "model": shadow.model,
        "requests": seen.with_status(OK),
        "rows": rows,
        "disagreed": disagreed,
        "disagreed_percent": round(disagreed * 100 / rows, 3) if rows else None,
        "failed": seen.with_status(FAILED),
        "skipped": seen.note(SKIPPED),
        "p50_at_most_ms": seen.at_most_ms(PREDICT, 50),
        "p99_at_most_ms": seen.at_most_ms(PREDICT, 99),
    }


def _rollout(rollout: Rollout | None) -> dict[str, Any] | None:
    if rollout is None:
        return None
    return {**msgspec.structs.asdict(rollout), "under_way": not rollout.ended}
