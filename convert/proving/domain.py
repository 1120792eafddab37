"""What the signature lets in, the trained model must answer: a graph never refuses, so the server would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convert.coding import Coding, Matrix
from convert.errors import ParityError, SourceError
from convert.oracle import Oracle
from convert.proving.adversary import SEED, Ground
from convert.sources.vocabulary import refusal, stranger
from registry.manifest import Feature, Signature

ROWS, VALUES = 256, 32
FAR = (0.0, 1.0, -1.0, 1e6, -1e6)
"""Numbers that somebody will send one day, whatever the data looked like."""


def check_domain(oracle: Oracle, signature: Signature, ground: Ground) -> None:
    """Refuse a signature with a feature of which the trained model refuses values that are allowed.

    Raises:
        SourceError: the text names the feature, a value, the model's own words and what to do.
        ParityError: the trained model answers none of the rows that stand for the data.
    """
    for number, feature in enumerate(signature.features):
        if feature.dtype == "string" and feature.categories is None:
            _check_strangers(oracle, ground, number, feature)
        if feature.may_be_missing:
            _check_missing(oracle, ground, number, feature)
    random = np.random.default_rng(SEED).uniform(*ground.box, (ROWS, len(signature.features)))
    base = _answered(oracle, ground)
    far = [_along(ground, base, number, FAR) for number in range(len(signature.features))]
    if oracle.accepts(np.concatenate([ground.clip(random), *far])):
        return
    for number, feature in enumerate(signature.features):
        near = np.linspace(ground.box[0][number], ground.box[1][number], VALUES).tolist()
        rows = _along(ground, base, number, [*near, *FAR])
        for row in rows if not oracle.accepts(rows) else ():
            if words := refusal(oracle, row[None]):
                value = oracle.coding.rows(row[None])[0][number]
                raise SourceError(
                    f"the signature allows {feature.name} = {value}, which the trained model refuses: "
                    f"{words}; narrow it with --range, or train it to answer (handle_unknown='ignore' "
                    "in an encoder), or give the feature as text"
                )


def _along(ground: Ground, base: Matrix, number: int, values: Sequence[float]) -> Matrix:
    """The row ``base`` with each of the values, moved into the allowed range, in one feature."""
    rows = np.repeat(base, len(values), axis=0)
    rows[:, number] = values
    return ground.clip(rows)


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


def _check_missing(oracle: Oracle, ground: Ground, number: int, feature: Feature) -> None:
    row = _answered(oracle, ground).copy()
    row[0, number] = np.nan
    if words := refusal(oracle, row):
        raise SourceError(
            f"the card says that {feature.name} may be missing, but the trained model refuses that: {words}; "
            "say may_be_missing: false, or put an imputer in front of it"
        )


def _answered(oracle: Oracle, ground: Ground) -> Matrix:
    """One row ``(1, features)`` that the trained model answers."""
    for anchor in ground.anchors:
        row: Matrix = anchor[None]
        if oracle.accepts(row):
            return row
    raise ParityError("not published: the trained model answered none of the rows that were tried")
