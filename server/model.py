"""A model that is ready to answer: everything that can be decided before a request comes, is decided here."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.errors import BrokenEntry
from registry.manifest import Golden, Manifest, Signature
from registry.store import Entry
from server.schema import Row, Schema
from server.session import Rows, Session


class Model:
    """A sealed entry with its session, decoders and answer fragments. Immutable; safe for several threads."""

    def __init__(self, entry: Entry) -> None:
        """Build the session and prove it on the golden rows.

        Raises:
            BrokenEntry: onnxruntime refuses the model, or it does not answer as the training library did.
        """
        self.manifest: Manifest = entry.manifest
        self.seal = entry.seal
        signature = entry.manifest.signature
        try:
            self._session = Session(entry.model, signature)
            self_test(self._session, signature, entry.golden, entry.manifest.parity.probability_bound)
            self.schema = Schema(signature, entry.manifest.reference.replace("@", "."))
        except (BrokenEntry, ValueError) as error:
            raise BrokenEntry(f"{entry.manifest.reference}: {error}") from error
        self.classes = signature.classes
        self._fragments = [msgspec.json.encode(label) for label in signature.classes]
        self._answers = [b'{"prediction":%b}' % fragment for fragment in self._fragments]
        self._classes = msgspec.json.encode(signature.classes)

    def answer(self, row: Row, probabilities: bool) -> bytes:
        """JSON answer for one row."""
        feed = self._session.feed([row])
        if not probabilities:
            return self._answers[int(self._session.labels(feed)[0])]
        label, table = self._session.answers(feed)
        named = dict(zip(self.classes, table[0].tolist(), strict=True))
        return b'{"prediction":%b,"probabilities":%b}' % (
            self._fragments[label[0]],
            msgspec.json.encode(named),
        )

    def answer_batch(self, slices: list[list[Row]], probabilities: bool) -> bytes:
        """JSON answer for the rows of all slices, in their order."""
        if not probabilities:
            labels = [
                index for part in slices for index in self._session.labels(self._session.feed(part)).tolist()
            ]
            return b'{"predictions":[%b]}' % self._joined(labels)
        parts = [self._session.answers(self._session.feed(part)) for part in slices]
        labels = [index for label, _ in parts for index in label.tolist()]
        table = msgspec.json.encode([row for _, table in parts for row in table.tolist()])
        return b'{"predictions":[%b],"classes":%b,"probabilities":%b}' % (
            self._joined(labels),
            self._classes,
            table,
        )

    def _joined(self, labels: list[int]) -> bytes:
        fragments = self._fragments
        return b",".join([fragments[index] for index in labels])


def self_test(session: Session, signature: Signature, golden: Golden, bound: float) -> None:
    """Run the golden rows, together and one by one, and hold the answers against the training library's.

    Raises:
        BrokenEntry: a label differs, or a probability by more than ``bound``.
    """
    together = _run(session, golden.inputs)
    alone = [_run(session, [row]) for row in golden.inputs]
    one_by_one = (
        np.concatenate([labels for labels, _ in alone]),
        np.concatenate([table for _, table in alone]),
    )
    expected = [signature.classes.index(label) for label in golden.labels]
    for labels, table in (together, one_by_one):
        wrong = np.flatnonzero(labels != expected)
        if len(wrong):
            raise BrokenEntry(_differs(golden, wrong, "the label", signature.classes[labels[wrong[0]]]))
        errors = np.abs(table - np.array(golden.probabilities)).max(axis=1)
        beyond = np.flatnonzero(~(errors <= bound))  # NaN is beyond any bound
        if len(beyond):
            worst = float(errors[beyond[0]])
            raise BrokenEntry(
                _differs(golden, beyond, "a probability", f"off by {_short(worst)}, bound {_short(bound)}")
            )


def _run(session: Session, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    return session.answers(session.feed(rows))


def _differs(golden: Golden, rows: NDArray[np.intp], what: str, came: str) -> str:
    first = int(rows[0])
    return (
        f"{len(rows)} of {len(golden.inputs)} golden rows fail, first row {first} ({golden.kinds[first]}): "
        f"{what} is not the training library's ({came})"
    )


def _short(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.3g}"
