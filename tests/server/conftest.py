"""The application over the shipped registry, in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from registry.store import Entry, Store
from server.app import create_app
from server.counters import Counters, create
from server.front import Front
from server.generation import Serving
from server.reading import BodyReader
from server.settings import SHIPPED_REGISTRY
from server.shadow import Busy, Shadows
from tests.server.application import TOKEN, Client, serve
from tests.server.shadowing import Watched
from tests.server.stage import Stage, until


@pytest.fixture
def shipped() -> Store:
    """The registry that ships."""
    return Store(Path(SHIPPED_REGISTRY))


@pytest.fixture
def entry(shipped: Store) -> Entry:
    """A sound entry."""
    return shipped.read("random_forest", shipped.current("random_forest"))


@pytest.fixture
def counters() -> Iterator[Counters]:
    """Counters of a server with one worker."""
    shared = create(1)
    yield Counters(shared, 0)
    os.close(int(shared.name))


@pytest.fixture
def shadows(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shadows]:
    """What lets the shadows of a worker answer; its thread ends with the test."""
    shadows = Shadows(counters)
    shadows._busy = Watched()
    yield shadows
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # that of pytest minds every end
    shadows._busy = Ended()
    if shadows._thread is not None:
        shadows._thread.join()


class Ended(Busy):
    """Ends the thread that looks."""

    def look(self) -> None:
        """Not any more."""
        raise SystemExit


@pytest.fixture(params=["wsgi", "asgi"])
def connect(request: pytest.FixtureRequest, counters: Counters) -> Iterator[Callable[..., Client]]:
    """A client of an application with the settings given, by either interface: both answer alike."""
    open_clients: list[Client] = []
    fronts: list[Front] = []

    def open_client(serving: Serving | None = None, **settings: Any) -> Client:
        serving = serving or serve(**settings)
        app = create_app(serving, counters, "\0no-supervisor")
        client: Client = TestClient(app, raise_server_exceptions=False)
        if request.param == "wsgi":
            settled = serving.generation.plan.resolved.settings
            front = Front(lambda: app, serving, counters, BodyReader(settled.max_body_bytes, settled.threads))
            fronts.append(front)
            transport = httpx.WSGITransport(front)
            client = Client(transport=transport, base_url="http://testserver", follow_redirects=True)
        client.__enter__()
        open_clients.append(client)
        return client

    yield open_client
    for client in open_clients:
        client.__exit__(None, None, None)
    for front in fronts:
        end_loop(front)


def end_loop(front: Front) -> None:
    """End what a worker keeps to its end: the event loop of the application behind the front."""
    loop = front._app.result().loop
    loop.call_soon_threadsafe(loop.stop)
    until(lambda: not loop.is_running())
    loop.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    """A client of the application with default settings and an admin token."""
    return connect(admin_token=TOKEN)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A supervisor for one worker."""
    stage = Stage(tmp_path / "state")
    yield stage
    stage.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Stage]:
    """A supervisor for two workers."""
    stage = Stage(tmp_path / "state", MPS_WORKERS="2")
    yield stage
    stage.close()
