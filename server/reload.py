"""``mps reload``."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
from urllib.parse import urlsplit

import msgspec


def main(argv: list[str]) -> int:
    """Ask a running server to switch; prints what every worker serves now."""
    arguments = _parser().parse_args(argv)
    token = os.environ.get("MPS_ADMIN_TOKEN", "")
    change = dict(arguments.change) | dict.fromkeys(arguments.forget)
    url = urlsplit(arguments.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        print(f"mps reload: --url: expected http://host:port, came {arguments.url!r}", file=sys.stderr)
        return 2
    path = url.path.rstrip("/") + "/config/reload"
    query = "?allow_signature_change=true" if arguments.allow_signature_change else ""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname, url.port, timeout=arguments.timeout)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path + query, json.dumps(change) if change else None, headers)
        response = connection.getresponse()
        status, body = response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"mps reload: no answer from {arguments.url}: {error or type(error).__name__}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    return _report(status, body)


class Done(msgspec.Struct):
    """The answer to a reload."""

    generation: int
    model: str
    version: int
    workers: int
    needs_restart: list[str]


class Problem(msgspec.Struct):
    """The part of a problem that is for people."""

    detail: str


class Refusal(Exception):
    """The server said no."""


def _report(status: int, body: bytes) -> int:
    try:
        if status != 200:
            raise Refusal(msgspec.json.decode(body, type=Problem).detail)
        answer = msgspec.json.decode(body, type=Done)
    except (Refusal, msgspec.MsgspecError) as error:
        detail = error if isinstance(error, Refusal) else "the answer is not this server's"
        print(f"mps reload: {status}: {detail}", file=sys.stderr)
        return 1
    print(f"generation {answer.generation}: {answer.model}@{answer.version} on {answer.workers} worker(s)")
    if answer.needs_restart:
        print(f"changed, but only a restart applies it: {', '.join(answer.needs_restart)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mps reload",
        description="Switch a running server: read its configuration again, or set and forget overrides.",
        epilog="The token is read from MPS_ADMIN_TOKEN. Example: mps reload model_type=xgboost",
    )
    parser.add_argument("change", nargs="*", type=_pair, metavar="SETTING=VALUE", help="override to set")
    parser.add_argument("--forget", action="append", default=[], metavar="SETTING", help="override to remove")
    parser.add_argument(
        "--allow-signature-change", action="store_true", help="other features or classes are meant"
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the server (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=90, metavar="SECONDS", help="(default: %(default)s)")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected SETTING=VALUE, came {text!r}")
    return name, value
