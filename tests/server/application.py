"""What the tests of the application share."""

from __future__ import annotations

from typing import Any

import httpx

from server.generation import Serving
from server.plan import draw
from server.settings import resolve

TOKEN = "a-token-of-the-tests"
IRIS = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}

Client = httpx.Client


def serve(**settings: Any) -> Serving:
    """A worker's ``Serving`` with these settings, at generation 1."""
    environ = {f"MPS_{name.upper()}": str(value) for name, value in settings.items()}
    serving = Serving()
    serving.commit(serving.prepare(draw(resolve(environ, None, {}), 1)))
    serving.attached = True
    return serving
