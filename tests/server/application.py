"""What the tests of the application share."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import httpx
from msgspec.structs import replace

from server.generation import Generation, Serving
from server.plan import draw
from server.settings import resolve

TOKEN = "a-token-of-the-tests"
IRIS = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}

Client = httpx.Client


def serve(**settings: Any) -> Serving:
    """A worker's ``Serving`` with these settings, at generation 1."""
    environ = {f"MPS_{name.upper()}": str(value) for name, value in settings.items()}
    serving = Serving()
    serving.commit(serving.prepare(draw(resolve(environ, None, {}), 1), shipped_models()))
    serving.attached = True
    return serving


def shipped_models() -> Generation:
    """As if they had been prepared before: loading and timing them takes longer than most tests.

    Their sessions are shared; what a test changes of a model is its own.
    """
    known = copy.copy(_loaded())
    known.lanes = {name: replace(lane, model=copy.copy(lane.model)) for name, lane in known.lanes.items()}
    return known


@cache
def _loaded() -> Generation:
    return Serving().prepare(draw(resolve({}, None, {}), 1))
