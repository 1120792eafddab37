"""What the tests of shadows share."""

from __future__ import annotations

from typing import Any

from server.counters import Counters
from server.generation import Serving
from server.seen import Seen
from server.shadow import Busy, Shadows
from tests.server.application import serve
from tests.server.stage import until


class Watched(Busy):
    """Keeps how long each shadow took for each copy; when that is told, everything is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.took_ns: list[int] = []

    def worked(self, elapsed_ns: int) -> None:
        """Keep it."""
        super().worked(elapsed_ns)
        self.took_ns.append(elapsed_ns)


def shadowed(shadows: Shadows, **settings: Any) -> Serving:
    """A worker whose shadows answer."""
    serving = serve(**settings)
    serving.shadows = shadows
    return serving


def until_met(shadows: Shadows, times: int) -> None:
    """Wait until the shadows have together met so many copies since the start."""
    watched = shadows._busy
    assert isinstance(watched, Watched)
    until(lambda: len(watched.took_ns) >= times)


def seen(serving: Serving, counters: Counters, at: int = 0) -> Seen:
    """What was counted of one of the shadows."""
    return Seen(counters.sums(serving.generation.ghosts[at].series))
