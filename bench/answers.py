"""What a right answer is. Every check returns what is wrong, or None."""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

from registry.manifest import Label

Classes = frozenset[Label]
"""Of a classifier; a regression has none and answers with a number."""

GENERATION, MODEL = "X-Model-Generation", "X-Model-Name"


class Headers(Protocol):
    """Of an answer. Each client has a class of its own for them; all of them ignore the case of names."""

    def get(self, name: str, /) -> str | None:
        """The header's value; None when it is not there."""


def single_fault(status: int, body: bytes, classes: Classes | None) -> str | None:
    """Of an answer to one row; ``classes`` are the model's, None those of a model that nobody knows."""
    fault, answer = _decoded(status, body)
    if fault is None and classes is None:
        fault = f"a model answered that was not asked: {_shown(body)}"
    if fault is None and not _fits(answer.get("prediction"), classes or frozenset()):
        fault = f"the prediction is {_nothing(classes)}: {_shown(body)}"
    return fault


def batch_fault(status: int, body: bytes, classes: Classes, rows: int) -> str | None:
    """Of an answer to ``rows`` rows."""
    fault, answer = _decoded(status, body)
    predictions = answer.get("predictions", [])
    if fault is None and len(predictions) != rows:
        fault = f"{len(predictions)} predictions for {rows} rows: {_shown(body)}"
    if fault is None and not all(_fits(prediction, classes) for prediction in predictions):
        fault = f"a prediction is {_nothing(classes)}: {_shown(body)}"
    return fault


def _fits(prediction: object, classes: Classes) -> bool:
    """Whether it is a class in its own type (to Python 1, 1.0 and True are equal); else a number."""
    if not classes:
        return type(prediction) in (int, float) and math.isfinite(prediction)  # type: ignore[arg-type]
    kind = type(next(iter(classes)))  # all are of one type, which can be looked up
    return type(prediction) is kind and prediction in classes


def _nothing(classes: Classes | None) -> str:
    return "none of the model's classes" if classes else "no finite number"


def header_fault(headers: Headers) -> str | None:
    """Of the headers that say who answered."""
    generation = headers.get(GENERATION) or ""
    if not generation.isdecimal():
        return f"expected a whole number in {GENERATION}, came {generation!r}"
    return None if headers.get(MODEL) else f"the header {MODEL} is missing"


class Generations:
    """Holds every answer against the switches that were confirmed before it was asked for."""

    def __init__(self) -> None:
        """Nothing is confirmed yet."""
        self.floor = 0
        """No request that starts now may be answered by an older generation."""
        self._models: dict[int, str] = {}

    def confirmed(self, generation: int, model: str) -> None:
        """A reload was answered with 200."""
        self.floor = max(self.floor, generation)
        self._models[generation] = model

    def fault(self, floor: int, headers: Headers) -> str | None:
        """Of an answer.

        Args:
            floor: what ``floor`` was when the request started. Answers may overtake each other; requests that
                started before a confirmation may still get the old generation.
            headers: of the answer.
        """
        fault = header_fault(headers)
        if fault:
            return fault
        generation, model = int(headers.get(GENERATION) or 0), headers.get(MODEL)
        if generation < floor:
            return f"generation {generation} answered a request that started after {floor} was confirmed"
        expected = self._models.get(generation, model)
        return None if model == expected else f"generation {generation} is {expected}, {model} answered"


def reload_fault(status: int, body: bytes, model: str, generations: Generations) -> str | None:
    """Of an answer to a reload; a right one is noted in ``generations``."""
    fault, answer = _decoded(status, body)
    if fault is None and (answer.get("model") != model or type(answer.get("generation")) is not int):
        fault = f"expected a generation of {model}, came {_shown(body)}"
    if fault is None:
        generations.confirmed(answer["generation"], model)
    return fault


def _decoded(status: int, body: bytes) -> tuple[str | None, dict[str, Any]]:
    if status != 200:
        return f"status {status}: {_shown(body)}", {}
    try:
        answer = json.loads(body)
    except ValueError:
        return f"the answer is not JSON: {_shown(body)}", {}
    return (None, answer) if isinstance(answer, dict) else (f"expected an object, came {_shown(body)}", {})


def _shown(body: bytes) -> str:
    return body[:120].decode("utf-8", "replace")
