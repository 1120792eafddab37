"""A running server, as a command asks it."""

from __future__ import annotations

import argparse
import http.client
import json
import re
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

Answer = TypeVar("Answer")


class Refusal(Exception):
    """What was asked is not done; the message is one line for people."""

    exit_code = 1
    """Of the command that asked."""


class NoAnswer(Refusal):
    """Nobody is there, or nobody who speaks HTTP."""


class Unusable(Refusal):
    """An option is no such thing; nothing was asked."""

    exit_code = 2


class Done(msgspec.Struct):
    """The answer to whatever switches: what every worker serves now."""

    generation: int
    model: str
    version: int
    workers: int
    needs_restart: list[str]


class Problem(msgspec.Struct):
    """The part of a problem that is for people."""

    detail: str


class Remote:
    """One server; each question has a connection of its own."""

    def __init__(self, url: str, timeout_s: float, token: str) -> None:
        """Nothing is sent yet.

        Raises:
            Unusable: names the option.
        """
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if not self._host or parts.scheme not in ("http", "https"):
            raise Unusable(f"--url: expected http://host:port, came {url!r}")
        if not 0 < timeout_s < 1e9:
            raise Unusable(f"--timeout: expected seconds above 0, came {timeout_s:g}")
        self._url, self._path, self._token = url, parts.path.rstrip("/"), token
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.timeout_s = timeout_s

    def ask(self, method: str, path: str, kind: type[Answer], body: object = None) -> Answer:
        """Send one request; its answer, decoded.

        Args:
            method: all but GET show the token.
            path: with its query.
            kind: what the answer is when all is well.
            body: sent as JSON; None: there is none.

        Raises:
            Refusal: with the server's own reason, where it gave one.
        """
        status, text = self._send(method, path, None if body is None else json.dumps(body))
        try:
            if status == http.client.OK:
                return msgspec.json.decode(text, type=kind)
            detail = msgspec.json.decode(text, type=Problem).detail
        except (msgspec.MsgspecError, UnicodeDecodeError):
            detail = "the answer is not this server's"
        raise Refusal(f"{status}: {detail}")

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        if method != "GET":
            if not re.fullmatch("[!-~]*", self._token):  # http.client would refuse it, and show it
                raise Refusal("MPS_ADMIN_TOKEN: expected ASCII characters without blanks and line ends")
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._kind(self._host, self._port, timeout=self.timeout_s)
        try:
            connection.request(method, self._path + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self._url}: {error or type(error).__name__}") from None
        finally:
            connection.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which server is meant."""
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the server (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=90, metavar="SECONDS", help="(default: %(default)s)")
