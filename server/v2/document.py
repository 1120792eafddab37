"""The protocol's paths in the OpenAPI document. Its own documents say the rest."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ERROR: Json = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
ADMIN: Json = {"security": [{"bearer": []}]}
NAME: Json = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
VERSION: Json = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
LENGTH: Json = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "bytes of JSON at the beginning of the body, where tensors follow as bytes",
    "schema": {"type": "integer", "minimum": 0},
}
OF_A_MODEL = {
    "": ("get", "A model: its inputs, outputs and loaded versions"),
    "/ready": ("get", "Whether the model answers"),
    "/config": ("get", "The model's configuration"),
    "/stats": ("get", "Requests of this protocol: counts and times"),
    "/infer": ("post", "Inference: tensors in, tensors out"),
}


def paths() -> Json:
    """Every path under ``/v2``."""
    found: Json = {
        "/v2": {"get": _operation("Open Inference Protocol: the server and its extensions")},
        "/v2/health/live": {"get": _operation("200 while the worker answers")},
        "/v2/health/ready": {"get": _operation("200 while the configured models are loaded, else 503")},
        "/v2/models": {"get": _operation("Names of the loaded models")},
        "/v2/models/stats": {"get": _operation("Counts and times of all loaded models")},
        "/v2/repository/index": {"post": _operation("What is loaded, and what could be") | ADMIN},
    }
    for verb, about in (
        ("load", "Load a model on all workers"),
        ("unload", "Let go of a model on all workers"),
    ):
        path = f"/v2/repository/models/{{name}}/{verb}"
        found[path] = {"post": _operation(about) | ADMIN | {"parameters": [NAME]}}
    for prefix, parameters in (
        ("/v2/models/{name}", [NAME]),
        ("/v2/models/{name}/versions/{version}", [NAME, VERSION]),
    ):
        for suffix, (method, about) in OF_A_MODEL.items():
            more = [LENGTH] if suffix == "/infer" else []
            found[prefix + suffix] = {method: _operation(about) | {"parameters": [*parameters, *more]}}
    return found


def _operation(summary: str) -> Json:
    refused = {"application/json": {"schema": ERROR}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Done"},
            "default": {"description": "Refused, with the reason", "content": refused},
        },
    }
