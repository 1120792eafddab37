"""What the signature lets in, the trained model must answer: a graph never refuses, so the server would."""

from __future__ import annotations

import numpy as np

from convert.coding import Coding, Matrix
from convert.errors import ParityError, SourceError
from convert.oracle import Oracle
from convert.proving.adversary import SEED, Ground
from convert.sources.vocabulary import refusal, stranger
from registry.manifest import Feature, Signature

ROWS, VALUES = 256, 32


def check_domain(oracle: Oracle, signature: Signature, ground: Ground) -> None:
    """Refuse a signature with a feature of which the trained model refuses values that are allowed.

    Raises:
        SourceError: the text names the feature, a value, the model's own words and what to do.
        ParityError: the trained model answers none of the rows that stand for the data.
    """
    for number, feature in enumerate(signature.features):
        if feature.dtype == "string" and feature.categories is None:
            _check_strangers(oracle, ground, number, feature)
    random = np.random.default_rng(SEED).uniform(*ground.box, (ROWS, len(signature.features)))
    if oracle.accepts(ground.clip(random)):
        return
    base = _answered(oracle, ground)
    for number, feature in enumerate(signature.features):
        rows = np.repeat(base, VALUES, axis=0)
        rows[:, number] = np.linspace(ground.box[0][number], ground.box[1][number], VALUES)
        rows = ground.clip(rows)
        for row in rows if not oracle.accepts(rows) else ():
            if words := refusal(oracle, row[None]):
                value = oracle.coding.rows(row[None])[0][number]
                raise SourceError(
                    f"the signature allows {feature.name} = {value}, which the trained model refuses: "
                    f"{words}; narrow it with --range, or train it to answer (handle_unknown='ignore' "
                    "in an encoder), or give the feature as text"
                )


def _check_strangers(oracle: Oracle, ground: Ground, number: int, feature: Feature) -> None:
    known = oracle.coding.vocabulary[number]
    wider = {**oracle.coding.vocabulary, number: (*known, stranger(known))}
    row = _answered(oracle, ground).copy()
    row[0, number] = len(known)
    if words := refusal(Oracle(oracle.estimator, Coding(oracle.coding.names, wider)), row):
        raise SourceError(
            f"the card allows any text for {feature.name}, but the trained model refuses unknown ones: "
            f"{words}; name its categories in the card"
        )


def _answered(oracle: Oracle, ground: Ground) -> Matrix:
    """One row ``(1, features)`` that the trained model answers."""
    for anchor in ground.anchors:
        row: Matrix = anchor[None]
        if oracle.accepts(row):
            return row
    raise ParityError("not published: the trained model answered none of the rows that were tried")
