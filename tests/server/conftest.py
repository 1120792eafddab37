"""The application over the shipped registry, in this process."""

from __future__ import annotations

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
from tests.server.application import TOKEN, Client, serve


@pytest.fixture
def shipped() -> Store:
    """The registry that ships."""
    return Store(Path(SHIPPED_REGISTRY))


@pytest.fixture
def entry(shipped: Store) -> Entry:
    """A sound entry."""
    return shipped.read("random_forest", shipped.current("random_forest"))


@pytest.fixture
def counters() -> Counters:
    """Counters of a server with one worker."""
    return Counters(create(1), 0)


@pytest.fixture(params=["wsgi", "asgi"])
def connect(request: pytest.FixtureRequest, counters: Counters) -> Iterator[Callable[..., Client]]:
    """A client of an application with the settings given, by either interface: both answer alike."""
    open_clients: list[Client] = []

    def open_client(serving: Serving | None = None, **settings: Any) -> Client:
        serving = serving or serve(**settings)
        app = create_app(serving, counters, "\0no-supervisor")
        client: Client = TestClient(app, raise_server_exceptions=False)
        if request.param == "wsgi":
            settled = serving.generation.plan.resolved.settings
            front = Front(lambda: app, serving, counters, BodyReader(settled.max_body_bytes, settled.threads))
            transport = httpx.WSGITransport(front)
            client = Client(transport=transport, base_url="http://testserver", follow_redirects=True)
        client.__enter__()
        open_clients.append(client)
        return client

    yield open_client
    for client in open_clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    """A client of the application with default settings and an admin token."""
    return connect(admin_token=TOKEN)
