"""What a reload would read: the configuration file, and what is current in the registry."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from server.settings import Resolved

RETRY_S = 10.0
"""A change that was refused is tried again so much later: a disk or a worker may be back."""


class Sight(msgspec.Struct, frozen=True):
    """Contents, not times: a mounted ConfigMap swaps a symlink to another folder, and clocks jump."""

    file: bytes | str
    """Of the configuration, or why there is none."""
    current: tuple[tuple[str, bytes | str], ...]
    """Model to the content of its file ``current``."""


def look(resolved: Resolved) -> Sight:
    """Read what a reload would read, without the models. It may hang as long as the disk does."""
    pointers = sorted(Path(resolved.settings.registry).glob("*/current"))
    return Sight(
        _content(Path(resolved.file)), tuple((path.parent.name, _content(path)) for path in pointers)
    )


def _content(path: Path) -> bytes | str:
    try:
        return path.read_bytes()
    except OSError as error:
        return str(error.strerror)


class Watch:
    """Decides when a change is ripe for a reload."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._seen: Sight | None = None
        self._refused: Sight | None = None
        self._not_before_s = 0.0

    def ripe(self, applied: Sight, now: Sight) -> bool:
        """Whether what is there differs from what was applied, and stands still: nobody is still writing it.

        A file that is gone is no change: somebody is about to put another one there.

        Args:
            applied: what the committed generation was drawn from.
            now: what is there.
        """
        still, self._seen = now == self._seen, now
        gone = isinstance(applied.file, bytes) and isinstance(now.file, str)
        if now == applied or not still or gone:
            return False
        return now != self._refused or time.monotonic() >= self._not_before_s

    def refused(self) -> None:
        """What was seen last could not be applied."""
        self._refused, self._not_before_s = self._seen, time.monotonic() + RETRY_S
