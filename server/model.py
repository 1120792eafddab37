"""A model that is ready to answer: everything that can be decided before a request comes, is decided here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

import msgspec

from registry.errors import BrokenEntry
from registry.manifest import Golden, Manifest, Value
from registry.store import Entry
from server.answering import style
from server.batch import BatchReader
from server.cost import UNKNOWN, Cost, measure
from server.errors import InvalidValues, NotExplainable
from server.explanation.explainer import Explainer
from server.proof import prove, typed
from server.schema import Schema
from server.session import Session
from server.v2.features import Features
from server.v2.outputs import Outputs


class V2(NamedTuple):
    """A model as the Open Inference Protocol sees it."""

    features: Features
    outputs: Outputs


class Model:
    """A sealed entry with its decoders and its style of answering. Immutable; safe for several threads."""

    def __init__(self, entry: Entry) -> None:
        """Build the session and prove it on the golden rows.

        Raises:
            BrokenEntry: onnxruntime refuses the model, or it does not answer as the training library did.
        """
        self.manifest: Manifest = entry.manifest
        self.seal = entry.seal
        signature = entry.manifest.signature
        try:
            session = Session(entry.model, signature)
            prove(session, signature, entry.golden, entry.manifest.parity.bound)
            self.schema = Schema(signature, entry.manifest.reference.replace("@", "."))
        except (BrokenEntry, ValueError) as error:
            raise BrokenEntry(f"{entry.manifest.reference}: {error}") from error
        self.session = session
        self.batch = BatchReader(self.schema)
        answering = style(session, signature)
        self.answer = answering.answer
        """(row, probabilities wanted) to JSON."""
        self.answer_batch = answering.answer_batch
        """(slices of rows, probabilities wanted) to JSON."""
        self.cost = self._measure(entry.golden)
        """Of its answers, on this machine."""
        self._explained: Explainer | NotExplainable | None = None

    def _measure(self, golden: Golden) -> Cost:
        rows = [typed(self.manifest.signature, row) for row in golden.inputs]
        asked = [row for row in rows if self._takes(row)]

        def one(row: tuple[Value, ...]) -> None:
            with suppress(InvalidValues):  # an answer that is no number costs as much
                self.answer(row, False)

        def many(body: bytes) -> None:
            with suppress(InvalidValues):
                self.answer_batch(self.batch.read(body, len(asked), len(asked))[0], False)

        return measure(one, many, asked) if asked else UNKNOWN

    def _takes(self, row: tuple[Value, ...]) -> bool:
        """Golden rows may lie outside the range that is answered."""
        try:
            self.schema.one(msgspec.json.encode(dict(zip(self.schema.signature.names, row, strict=True))))
        except msgspec.ValidationError:
            return False
        return True

    @cached_property
    def v2(self) -> V2:
        """Of the Open Inference Protocol; made when it is first asked for."""
        signature = self.manifest.signature
        return V2(Features(self.session, signature), Outputs(self.session, signature))

    def explainer(self, sealed: Callable[[], bytes]) -> Explainer:
        """Of its answers; made when it is first asked for. The graph is not kept: ``sealed`` reads it again.

        Raises:
            NotExplainable: its answers have no exact explanation.
        """
        if self._explained is None:
            try:
                self._explained = Explainer(sealed(), self.manifest.signature)
            except NotExplainable as error:
                reference = self.manifest.reference
                self._explained = NotExplainable(f"{reference} cannot be explained exactly: {error}")
        if isinstance(self._explained, NotExplainable):
            raise NotExplainable(*self._explained.args)  # a new one: an old one would hold its last frames
        return self._explained

    @property
    def why_no_probabilities(self) -> str:
        """What to tell whoever asks for them; empty where the model gives them."""
        signature, name = self.manifest.signature, self.manifest.name
        if not signature.classes:
            return f"model {name} is a regression: it has no probabilities"
        return "" if signature.probabilities else f"model {name} gives labels only: it has no probabilities"
