"""Errors as ``application/problem+json`` (RFC 9457): one shape, one table of statuses."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec.structs import replace

from registry.errors import RegistryError
from server.errors import (
    AdminClosed,
    InvalidValues,
    MalformedBody,
    NotExplainable,
    NotLoaded,
    ReloadRefused,
    SettingsError,
    TooLarge,
    Unauthorized,
    Unavailable,
    WrongMediaType,
)

log = logging.getLogger("mps")

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[Exception], tuple[int, str, str]] = {
    MalformedBody: (400, "malformed-json", "The body is not JSON"),
    Unauthorized: (401, "unauthorized", "A bearer token is needed"),
    AdminClosed: (403, "admin-closed", "Admin endpoints are closed"),
    NotLoaded: (404, "unknown-model", "No such model is loaded"),
    NotExplainable: (409, "not-explainable", "The model cannot be explained"),
    ReloadRefused: (409, "reload-refused", "The reload changed nothing"),
    RegistryError: (409, "registry", "The registry cannot supply the model"),
    TooLarge: (413, "too-large", "The request is too large"),
    WrongMediaType: (415, "media-type", "The body must be JSON"),
    InvalidValues: (422, "invalid-values", "The values are not what is taken"),
    SettingsError: (422, "invalid-setting", "The setting is not what is taken"),
    Unavailable: (503, "unavailable", "Not available now"),
}
"""Class to (status, slug of the type URI, title). A subclass falls under its nearest listed ancestor."""
Headers = tuple[tuple[str, str], ...]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer, free of any web framework."""

    status: int
    headers: Headers
    body: bytes
    media_type: str = "application/json"


def problem(error: Exception, request_id: str) -> Reply:
    """The answer for an error. What is not in the table is ours: logged in full, told as nothing but 500."""
    for ancestor in type(error).__mro__:
        if ancestor in STATUS:
            status, slug, title = STATUS[ancestor]
            faults = error.faults if isinstance(error, InvalidValues) else ()
            told = [{"pointer": _sound(f.pointer), "detail": _sound(f.detail)} for f in faults]
            extra = {"errors": told} if told else {}
            reply = _reply(status, f"urn:mps:problem:{slug}", title, _sound(str(error)), extra)
            return replace(reply, headers=_extra_headers(error))
    log.error("unexpected error in request %s", request_id, exc_info=error)
    return framework_problem(500, "the server failed on this request; its log says why")


def _sound(text: str) -> str:
    """Without half characters (lone surrogates), which JSON lets in and UTF-8 does not let out."""
    return text.encode("utf-8", "replace").decode()


def framework_problem(status: int, detail: str) -> Reply:
    """The answer for what the web framework refuses (unknown path, wrong method, body over the cap)."""
    return _reply(status, "about:blank", HTTPStatus(status).phrase, detail, {})


def _reply(status: int, uri: str, title: str, detail: str, extra: dict[str, Any]) -> Reply:
    body = msgspec.json.encode({"type": uri, "title": title, "status": status, "detail": detail, **extra})
    return Reply(status, (), body, MEDIA_TYPE)


def _extra_headers(error: Exception) -> Headers:
    if isinstance(error, Unavailable):
        return (("Retry-After", str(error.retry_after_s)),)
    return (("WWW-Authenticate", "Bearer"),) if isinstance(error, Unauthorized) else ()
