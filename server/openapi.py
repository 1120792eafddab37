"""The OpenAPI 3.1 document of one generation, with the features of the models that it serves."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from registry.manifest import label_text
from server.explanation.document import Document
from server.generation import Generation, Lane
from server.model import Model
from server.problem import MEDIA_TYPE
from server.requestid import HEADER
from server.settings import MAX_TIMEOUT_MS
from server.v2 import document as v2

REF = "#/components/schemas/{name}"
Json = dict[str, Any]

PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
PROBABILITIES: Json = {
    "name": "probabilities",
    "in": "query",
    "description": "also answer the probability of each class",
    "schema": {"type": "boolean", "default": False},
}
TIMEOUT: Json = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "refuse with 503 before any work what cannot be answered within so many milliseconds",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_MS},
}
REQUEST_ID: Json = {
    "name": HEADER,
    "in": "header",
    "description": "comes back in the answer; without one the server makes one",
    "schema": {"type": "string", "maxLength": 128},
}
SIGNATURE_CHANGE: Json = {
    "name": "allow_signature_change",
    "in": "query",
    "description": "serve a model whose features or classes differ from the present one's",
    "schema": {"type": "boolean", "default": False},
}
MODEL_NAME: Json = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
ADMIN: Json = {"security": [{"bearer": []}]}


def document(generation: Generation) -> Json:
    """Every path that the application answers."""
    _, explained = msgspec.json.schema_components([Document], ref_template=REF)
    schemas: Json = {"Problem": PROBLEM, **explained}
    paths = _prediction_paths("", generation.champion, "the model that is set to serve")
    for route, lane in sorted(generation.lanes.items()):
        schemas |= _schemas(lane.model)
        paths |= _prediction_paths(f"/models/{route}", lane, lane.model.manifest.card.description)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ML Production Service",
            "version": version("ml-production-service"),
            "description": f"Generation {generation.number}: {generation.plan.champion.reference}",
        },
        "paths": paths | _other_paths() | v2.paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _prediction_paths(prefix: str, lane: Lane, about: str) -> Json:
    model = lane.model
    example = model.schema.example()
    rows = {"instances": [list(example.values())]}
    return {
        f"{prefix}/predict": _prediction(model, "Features", "One row", about, example, _single(model)),
        f"{prefix}/predict/batch": _prediction(model, "Batch", "Many rows", about, rows, _many(model)),
        f"{prefix}/explain": _explanation(model, about, example),
    }


def _prediction(model: Model, kind: str, summary: str, about: str, example: Json, answer: Json) -> Json:
    reference = REF.format(name=_component(model, kind))
    body = {"application/json": {"schema": {"$ref": reference}, "example": example}}
    headers = {
        name: {"schema": {"type": "string"}}
        for name in ("X-Model-Name", "X-Model-Version", "X-Model-Generation", "X-Model-Variant", HEADER)
    }
    operation = _operation(f"{summary}: {about}", answer) | {
        "parameters": [*([] if model.why_no_probabilities else [PROBABILITIES]), TIMEOUT, REQUEST_ID],
        "requestBody": {"required": True, "content": body},
    }
    operation["responses"]["200"]["headers"] = headers
    return {"post": operation}


def _explanation(model: Model, about: str, example: Json) -> Json:
    described = _prediction(model, "Features", "Why one row is answered so", about, example, {})
    operation = described["post"]
    operation["parameters"] = [TIMEOUT, REQUEST_ID]
    answer = operation["responses"]["200"]["content"]["application/json"]
    answer["schema"] = {"$ref": REF.format(name=Document.__name__)}
    return described


def _single(model: Model) -> Json:
    properties: Json = {"prediction": _answer(model)}
    if not model.why_no_probabilities:
        numbers = {label_text(label): {"type": "number"} for label in model.manifest.signature.classes}
        properties["probabilities"] = {"type": "object", "properties": numbers}
    return {"type": "object", "required": ["prediction"], "properties": properties}


def _many(model: Model) -> Json:
    numbers = {"type": "array", "items": {"type": "number"}}
    properties: Json = {"predictions": {"type": "array", "items": _answer(model)}}
    if not model.why_no_probabilities:
        properties["classes"] = {"const": model.manifest.signature.classes}
        properties["probabilities"] = {"type": "array", "items": numbers}
    return {"type": "object", "required": ["predictions"], "properties": properties}


def _answer(model: Model) -> Json:
    """Of one row: a class in its own JSON type, or a number."""
    classes = model.manifest.signature.classes
    return {"enum": classes} if classes else {"type": "number"}


def _other_paths() -> Json:
    def get(summary: str, **extra: Any) -> Json:
        return {"get": _operation(summary, {}) | extra}

    change = {"application/json": {"schema": {"type": "object"}, "example": {"model_type": "xgboost"}}}
    reload = _operation("Read the configuration again and switch all workers at once", {}) | ADMIN
    wanted = {"model": "xgboost", "steps": [1, 10, 50, 100], "hold_s": 60}
    rollout = {"application/json": {"schema": {"type": "object"}, "example": wanted}}
    start = _operation("Give a model more of the traffic step by step", {}) | ADMIN
    abort = _operation("Give all traffic back to the champion", {}) | ADMIN
    return {
        "/models": get("Loaded models"),
        "/models/{name}": get("One model: its features, proof, metrics and budget", parameters=[MODEL_NAME]),
        "/health": get("Status, model, version and generation"),
        "/health/live": get("200 while the worker answers"),
        "/health/ready": get("200 while the configured models are loaded and proved, else 503"),
        "/metrics": get("Prometheus text, summed over workers"),
        "/config": get("Effective settings and where each came from", **ADMIN),
        "/config/reload": {
            "post": reload | {"parameters": [SIGNATURE_CHANGE], "requestBody": {"content": change}},
        },
        "/traffic": get("Who answers /predict, and what was seen of each"),
        "/traffic/rollout": {"post": start | {"requestBody": {"content": rollout}}, "delete": abort},
        "/openapi.json": get("This document"),
        "/docs": get("These pages, for people"),
    }


def _operation(summary: str, answer: Json) -> Json:
    problem = {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": answer}}},
            "default": {"description": "Refused, with the reason", "content": problem},
        },
    }


def _schemas(model: Model) -> Json:
    _, components = msgspec.json.schema_components([model.schema.row, model.schema.batch], ref_template=REF)
    return components


def _component(model: Model, kind: str) -> str:
    """The name that ``server.schema`` gave the type."""
    return (model.schema.row if kind == "Features" else model.schema.batch).__name__
