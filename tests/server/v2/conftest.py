"""What the tests of the protocol share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server.application import Client
from tests.server.v2.asking import homemade


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One homemade model of every sort."""
    return homemade(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def painted(connect: Callable[..., Client], registry: str) -> Client:
    """The application over it."""
    return connect(registry=registry, model_type="amount")
