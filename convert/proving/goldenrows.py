"""Picks the rows that every server will ask the sealed model before it serves."""

from __future__ import annotations

import numpy as np

from convert.coding import Coding, Matrix
from convert.errors import ParityError
from convert.proving.parity import Compared, Mask, sample
from registry.manifest import Golden, Label

GOLDEN_ROWS = 256


def golden(compared: list[Compared], classes: tuple[Label, ...], coding: Coding) -> Golden:
    """At most ``GOLDEN_ROWS`` rows with the trained model's answers: an equal share of every kind that has so
    many, always the same ones.

    A row that was right by its margin only is left out, for on another processor it may be the other way
    about; so is one whose answer or input JSON cannot hold. Where not a single row is sound, which only those
    see who insist, the rows with the right label are taken.

    Raises:
        ParityError: there is no such row.
    """
    quota = GOLDEN_ROWS // len(compared)
    sound = any(part.sound.any() for part in compared)
    usable = [(part, _usable(part, part.sound if sound else part.near, quota)) for part in compared]
    picked = [(part, row) for part, rows in usable for row in rows]
    if not picked:
        raise ParityError(
            "not published: not one row is answered as by the trained model, so a server would have nothing "
            "to hold the model to"
        )
    probabilities = bool(classes) and compared[0].judged.numbers.shape[1] > 0
    return Golden(
        kinds=tuple(part.judged.kind for part, _ in picked),
        inputs=tuple(_told(coding, part.judged.rows[row]) for part, row in picked),
        labels=tuple(classes[part.judged.labels[row]] for part, row in picked) if classes else (),
        probabilities=tuple(tuple(part.judged.numbers[row].tolist()) for part, row in picked)
        if probabilities
        else (),
        values=() if classes else tuple(float(part.judged.numbers[row, 0]) for part, row in picked),
    )


def _usable(part: Compared, right: Mask, quota: int) -> list[int]:
    judged = part.judged
    told = np.isfinite(judged.numbers).all(axis=1) & ~np.isinf(judged.rows).any(axis=1)
    usable = np.flatnonzero(right & told)
    return [int(usable[place]) for place in sample(len(usable), quota)]


def _told(coding: Coding, row: Matrix) -> tuple[float | str | None, ...]:
    """As JSON would hold it."""
    return tuple(None if value != value else value for value in coding.rows(row[None])[0].tolist())
