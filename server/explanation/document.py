"""What is told of one explained answer: the same for HTTP and for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from registry.manifest import Value
from server.errors import Fault, InvalidValues
from server.explanation.explainer import Explainer, single
from server.explanation.path import Condition, Leaf, conditions, leaves
from server.model import Model

MOST_TREES = 100
"""Whose leaves are listed."""
Explains = Literal["probability", "margin", "score", "value"]


class Output(msgspec.Struct, frozen=True):
    """One sum, taken apart."""

    output: str
    """The class, or ``value``."""
    base: float
    contributions: dict[str, float]
    """By feature."""
    sum: float
    """What the model adds up for the row: the base and all contributions."""


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer with its reasons."""

    prediction: Any
    probabilities: dict[str, float] | None = None
    model: str
    version: int
    generation: int | None = None
    method: str
    """``tree`` or ``linear``."""
    explains: Explains
    """What the sums are."""
    link: str
    """What makes the answer of the sums."""
    outputs: list[Output]
    path: list[Condition] | None = None
    """Of a model that is one tree."""
    trees: int | None = None
    """How many there are, constants left out."""
    leaves: list[Leaf] | None = None
    """Of the first of them."""


def document(
    model: Model, explainer: Explainer, row: Sequence[Value], generation: int | None = None
) -> Document:
    """Explain what the model serves for a row.

    Raises:
        InvalidValues: the answer is not a finite number.
        NotExplainable: the explanation would not be that of the answer.
    """
    signature = model.manifest.signature
    answered = msgspec.json.decode(model.answer(tuple(row), not model.why_no_probabilities))
    served = list(answered["probabilities"].values()) if "probabilities" in answered else []
    if not signature.classes:
        served = [answered["prediction"]]
    found = explainer.explain(row)
    if not np.isfinite(found.sums).all():
        raise InvalidValues([Fault("", "the sums of the model for these values are not finite numbers")])
    label = signature.classes.index(answered["prediction"]) if signature.classes else 0
    explainer.check(found, label, served)
    names = signature.names
    outputs = [
        Output(
            name,
            float(found.base[number]),
            dict(zip(names, found.contributions[:, number].tolist(), strict=True)),
            float(found.sums[number]),
        )
        for number, name in explainer.outputs
    ]
    copies = single(explainer.forest)
    told, trees = leaves(explainer, found, MOST_TREES) if explainer.forest else (None, None)
    return Document(
        prediction=answered["prediction"],
        probabilities=answered.get("probabilities"),
        model=model.manifest.name,
        version=model.manifest.version,
        generation=generation,
        method=explainer.method,
        explains=_explains(explainer),
        link=explainer.link,
        outputs=outputs,
        path=conditions(explainer, found, copies, row) if copies else None,
        trees=trees,
        leaves=told,
    )


def _explains(explainer: Explainer) -> Explains:
    signature = explainer.signature
    if not signature.classes:
        return "value" if explainer.link == "identity" else "margin"
    if explainer.link != "identity":
        return "margin"
    return "probability" if signature.probabilities and not explainer.linear else "score"
