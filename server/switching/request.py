"""How an endpoint asks the supervisor to switch, on a connection of its own."""

from __future__ import annotations

import asyncio

from server.errors import ReloadRefused, SettingsError, Unavailable
from server.switching import messages
from server.switching.messages import NotReloaded, Reloaded, Request


async def switch(address: str, request: Request) -> Reloaded:
    """Ask and wait until it is decided. If the caller goes away meanwhile, it is decided all the same.

    Raises:
        SettingsError: the request or the configuration is at fault; nothing changed.
        ReloadRefused: a model could not be brought up everywhere; nothing changed.
        Unavailable: the supervisor cannot be reached.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(address, limit=messages.MAX_LINE_BYTES)
        try:
            writer.write(messages.line(request))
            text = await reader.readline()
        finally:
            writer.close()
    except OSError:
        text = b""
    if not text:
        raise Unavailable("the supervisor of the workers cannot be reached: the server is going down")
    outcome: Reloaded | NotReloaded = messages.decode_outcome(text)
    if isinstance(outcome, NotReloaded):
        raise (SettingsError if outcome.invalid_setting else ReloadRefused)(outcome.reason)
    return outcome
