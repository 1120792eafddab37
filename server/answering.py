"""How the arrays of a model become the JSON of an answer: one style per kind of model, chosen at load."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.manifest import Label, Signature, label_text
from server.errors import Fault, InvalidValues
from server.fragments import Fragments
from server.jsonarray import written
from server.schema import Row
from server.session import Rows, Session

MAX_FAULTS = 20
"""Rows of a batch that are told to have no answer."""
NOT_FINITE = "the model's answer to these values is not a finite number"


class Style(Protocol):
    """Answers as one kind of model does. ``probabilities`` is true only where the model gives them."""

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """JSON answer for one row.

        Raises:
            InvalidValues: the answer cannot be said in JSON.
        """

    def answer_batch(self, slices: Sequence[Rows], probabilities: bool) -> bytes:
        """JSON answer for the rows of all slices, in their order.

        Raises:
            InvalidValues: an answer cannot be said in JSON.
        """


def style(session: Session, signature: Signature) -> Style:
    """The one that the signature asks for."""
    if not signature.classes:
        return Values(session)
    return (Chances if signature.probabilities else Labels)(session, signature.classes)


class Labels:
    """Of a classifier that gives labels only."""

    def __init__(self, session: Session, classes: tuple[Label, ...]) -> None:
        """Make every answer to one row that there can be."""
        self._session = session
        self._first = session.one.first
        self._fragments = [msgspec.json.encode(label) for label in classes]
        self._answers = [b'{"prediction":%b}' % fragment for fragment in self._fragments]
        self._many = Fragments(self._fragments, b",")

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """One of the answers that were made beforehand."""
        index: int = self._first(row)
        return self._answers[index]

    def answer_batch(self, slices: Sequence[Rows], probabilities: bool) -> bytes:
        """The label of each row."""
        labels = np.concatenate([self._session.labels(self._session.feed(part)) for part in slices])
        return b'{"predictions":[%b]}' % self._many.joined(labels)


class Chances(Labels):
    """Of a classifier that knows how sure it is."""

    def __init__(self, session: Session, classes: tuple[Label, ...]) -> None:
        """Name the probabilities after the classes."""
        super().__init__(session, classes)
        self._names = [label_text(label) for label in classes]
        self._classes = msgspec.json.encode(classes)

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """The label, with the probability of each class where it is wanted."""
        if not probabilities:
            index: int = self._first(row)
            return self._answers[index]
        (label,), numbers = self._session.one.all(row)
        if not all(map(isfinite, numbers)):
            raise InvalidValues([Fault("", NOT_FINITE)])
        named = msgspec.json.encode(dict(zip(self._names, numbers, strict=True)))
        return b'{"prediction":%b,"probabilities":%b}' % (self._fragments[label], named)

    def answer_batch(self, slices: Sequence[Rows], probabilities: bool) -> bytes:
        """The label of each row, with a table of probabilities where it is wanted."""
        if not probabilities:
            return super().answer_batch(slices, probabilities)
        parts = [self._session.answers(self._session.feed(part)) for part in slices]
        labels = np.concatenate([part.labels for part in parts])
        table = np.concatenate([part.numbers for part in parts])
        _check_finite(np.isfinite(table).all(axis=1))
        return b'{"predictions":[%b],"classes":%b,"probabilities":%b}' % (
            self._many.joined(labels),
            self._classes,
            written(table),
        )


class Values:
    """Of a regression. A float32 is widened, so that its JSON is the same number and not a rounder one."""

    def __init__(self, session: Session) -> None:
        """There is nothing to make beforehand."""
        self._session = session

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """The number."""
        value = self._session.one.first(row)
        if not isfinite(value):
            raise InvalidValues([Fault("", NOT_FINITE)])
        return b'{"prediction":%b}' % msgspec.json.encode(value)

    def answer_batch(self, slices: Sequence[Rows], probabilities: bool) -> bytes:
        """The number of each row."""
        values = np.concatenate([self._session.values(self._session.feed(part)) for part in slices])
        _check_finite(np.isfinite(values))
        return b'{"predictions":%b}' % written(values)


def _check_finite(finite: NDArray[np.bool_]) -> None:
    """Refuse a batch with a row whose answer JSON has no word for."""
    if finite.all():
        return
    rows: list[Any] = np.flatnonzero(~finite)[:MAX_FAULTS].tolist()
    raise InvalidValues([Fault(f"/instances/{row}", f"row {row}: {NOT_FINITE}") for row in rows])
