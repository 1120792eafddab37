"""Holds the sealed model's answers, from the session that will serve it, against the trained model's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.adversary import SEED, Matrix
from convert.errors import ParityError
from convert.oracle import Oracle
from registry.manifest import Golden, Parity, ParityRows
from server.session import Session

ALONE_ROWS = 64
"""Rows of each kind that are asked alone as well; the answer must be that of the batch, within the bound."""
GOLDEN_ROWS = 256

Labels = NDArray[np.int64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """Rows of one kind with the trained model's answers."""

    kind: str
    rows: Matrix
    labels: Labels
    probabilities: Matrix


def judge(oracle: Oracle, kinds: Mapping[str, Matrix], say: Say) -> list[Judged]:
    """Ask the trained model for every right answer."""
    judged = []
    for kind, rows in kinds.items():
        say(f"asking the trained model for {len(rows)} rows: {kind}")
        judged.append(Judged(kind, rows, oracle.labels(rows), oracle.probabilities(rows)))
    return judged


def compare(oracle: Oracle, session: Session, judged: list[Judged], bound: float, say: Say) -> Parity:
    """Compare every row in one batch, and some alone.

    Raises:
        ParityError: a label differs, a probability is off by more than ``bound``, or a row's answer depends
            on the rows around it. The text names the kind, the worst row, what was expected and what came.
    """
    found = []
    for part in judged:
        say(f"comparing {len(part.rows)} rows: {part.kind}")
        labels, probabilities = session.answers(session.feed(part.rows))
        found.append(_hold(part, labels, probabilities.astype(np.float64), bound))
        _hold_alone(part, session, labels, probabilities, bound)
    return Parity(oracle=oracle.describe, probability_bound=bound, kinds=tuple(found))


def golden(judged: list[Judged], classes: tuple[str, ...]) -> Golden:
    """At most ``GOLDEN_ROWS`` rows: an equal share of every kind that has so many, always the same ones."""
    quota = GOLDEN_ROWS // len(judged)
    picked = [(part, index) for part in judged for index in _sample(len(part.rows), quota)]
    return Golden(
        kinds=tuple(part.kind for part, _ in picked),
        inputs=tuple(
            tuple(None if value != value else value for value in part.rows[index].tolist())
            for part, index in picked
        ),
        labels=tuple(classes[part.labels[index]] for part, index in picked),
        probabilities=tuple(tuple(part.probabilities[index].tolist()) for part, index in picked),
    )


def _sample(rows: int, number: int) -> list[int]:
    if rows <= number:
        return list(range(rows))
    chosen = np.random.default_rng(SEED).choice(rows, number, replace=False)
    return sorted(chosen.tolist())


def _hold(part: Judged, labels: Labels, probabilities: Matrix, bound: float) -> ParityRows:
    error = np.abs(probabilities - part.probabilities).max(axis=1)
    error = np.where(np.isnan(error), np.inf, error)  # a NaN is as wrong as can be
    wrong = labels != part.labels
    worst = int(np.argmax(np.where(wrong, np.inf, error)))
    if wrong.any() or error[worst] > bound:
        raise ParityError(
            f"not published: {wrong.sum()} of {len(labels)} labels differ and probabilities are off by up to "
            f"{error.max():.3g} (allowed: {bound:.3g}) on rows of kind {part.kind!r}; "
            f"worst row {part.rows[worst].tolist()}: expected class {part.labels[worst]} "
            f"{part.probabilities[worst].tolist()}, got class {labels[worst]} {probabilities[worst].tolist()}"
        )
    return ParityRows(kind=part.kind, rows=len(labels), label_mismatches=0, max_abs_error=float(error[worst]))


def _hold_alone(
    part: Judged, session: Session, labels: Labels, probabilities: NDArray[np.floating], bound: float
) -> None:
    for index in _sample(len(part.rows), ALONE_ROWS):
        label, probability = session.answers(session.feed(part.rows[index : index + 1]))
        if label[0] != labels[index] or not np.all(abs(probability[0] - probabilities[index]) <= bound):
            raise ParityError(
                f"not published: row {part.rows[index].tolist()} of kind {part.kind!r} is answered "
                f"{label[0]} {probability[0].tolist()} alone and {labels[index]} "
                f"{probabilities[index].tolist()} in a batch of {len(labels)}"
            )
