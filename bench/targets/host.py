"""``python -m bench.targets.host KIND ENTRY PORT``: granian around one of the bare callables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import Interfaces, Loops
from granian.server import Server

from bench.targets.callables import Worker, constant_rsgi, constant_wsgi, rsgi, wsgi
from bench.targets.child import HOST

KINDS: dict[str, tuple[Interfaces, Callable[[Path], Any]]] = {
    "bare-rsgi": (Interfaces.RSGI, lambda entry: rsgi(Worker(entry))),
    "bare-wsgi": (Interfaces.WSGI, lambda entry: wsgi(Worker(entry))),
    "constant-rsgi": (Interfaces.RSGI, lambda _: constant_rsgi()),
    "constant-wsgi": (Interfaces.WSGI, lambda _: constant_wsgi()),
}


def load(kind: str, entry: Path) -> Any:
    """The callable; runs in the worker."""
    return KINDS[kind][1](entry)


def serve(kind: str, entry: Path, port: int) -> None:
    """Until told to stop: one worker, uvloop, and for WSGI one thread."""
    interface, _ = KINDS[kind]
    server = Server(
        "bench.targets.host:load",
        address=HOST,
        port=port,
        interface=interface,
        workers=1,
        blocking_threads=1,
        loop=Loops.uvloop,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=partial(load, kind, entry), wrap_loader=False)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
