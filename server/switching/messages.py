"""What supervisor and workers say to each other: one JSON object a line over a Unix socket."""

from __future__ import annotations

from typing import Any

import msgspec

from server.plan import Plan

MAX_LINE_BYTES = 64 << 20
"""Longest line: a plan holds the signatures of all its models."""


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of everything that is said."""


class Hello(Message, frozen=True):
    """Worker: here I am."""

    pid: int


class Welcome(Message, frozen=True):
    """Supervisor: your seat, and the file that holds its counters."""

    seat: int
    counters: str


class Prepare(Message, frozen=True):
    """Supervisor: load this, serve nothing of it yet."""

    attempt: int
    plan: Plan


class Prepared(Message, frozen=True):
    """Worker: loaded and proved."""

    attempt: int


class Refused(Message, frozen=True):
    """Worker: cannot be loaded; I serve on as before."""

    attempt: int
    reason: str


class Commit(Message, frozen=True):
    """Supervisor: serve what you prepared."""

    attempt: int


class Committed(Message, frozen=True):
    """Worker: every request that starts from now on meets the new generation."""

    attempt: int


class Up(Message, frozen=True):
    """Worker: my application is built, and my socket opens now."""


class Abort(Message, frozen=True):
    """Supervisor: forget what you prepared. Not answered."""

    attempt: int


class Reload(Message, frozen=True):
    """An endpoint, on a connection of its own: switch, please."""

    change: dict[str, Any]
    """Run-time overrides to set; None removes one."""
    allow_signature_change: bool


class StartRollout(Message, frozen=True):
    """An endpoint, on a connection of its own: begin to give this model traffic, please."""

    model: str
    """``name`` or ``name@version``."""
    steps: tuple[float, ...]
    """Percent."""
    hold_s: float


class AbortRollout(Message, frozen=True):
    """An endpoint, on a connection of its own: give all traffic back to the champion, please."""


class Load(Message, frozen=True):
    """An endpoint, on a connection of its own: load this model, or read it again, please."""

    model: str


class Unload(Message, frozen=True):
    """An endpoint, on a connection of its own: let go of this model, please."""

    model: str


class Reloaded(Message, frozen=True):
    """Supervisor: every worker serves the new generation."""

    generation: int
    model: str
    version: int
    workers: int
    needs_restart: tuple[str, ...]
    """Settings that were changed and wait for a restart."""


class NotReloaded(Message, frozen=True):
    """Supervisor: nothing changed."""

    reason: str
    invalid_setting: bool
    """Whether the request or the configuration is at fault rather than the state of things."""


Answer = Prepared | Refused | Committed
"""What a worker answers."""
Request = Reload | StartRollout | AbortRollout | Load | Unload
"""What an endpoint asks for."""
FromWorker = Hello | Answer | Up | Request
ToWorker = Welcome | Prepare | Commit | Abort

encode_line = msgspec.json.Encoder().encode_lines
decode_from_worker = msgspec.json.Decoder(FromWorker).decode
decode_to_worker = msgspec.json.Decoder(ToWorker).decode
decode_outcome = msgspec.json.Decoder(Reloaded | NotReloaded).decode


def line(message: Message) -> bytes:
    """The message with its newline."""
    return encode_line([message])
