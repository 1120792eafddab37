"""Explains the answers of one model: made once from its graph, asked for one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Signature, Value, label_text
from server.errors import NotExplainable
from server.explanation import links
from server.explanation.columns import Values
from server.explanation.forest import Bools, Forest, Ints
from server.explanation.graph import Graph, read
from server.explanation.linear import Linear
from server.explanation.outline import outline
from server.explanation.shapley import Game
from server.explanation.wire import Malformed

MAX_MODEL_BYTES = 64 << 20
"""A larger graph is not read."""
NS_PER_STEP = 30
"""Of ``Game.work``: twice what extra trees of 36,000 leaves took on two busy cores."""
LOOSE = {"float32": 1e-5, "float64": 1e-9}
"""How far base and contributions may be from the sums, and these from the answer, relative to the largest
number involved or to one: what rounding takes in the dtype in which the graph adds up."""

Floats = NDArray[np.float64]


class Explanation(NamedTuple):
    """Of one row."""

    sums: Floats
    """``(outputs,)``: what the graph itself adds up, before its link."""
    base: Floats
    """``(outputs,)``"""
    contributions: Floats
    """``(features, outputs)``; with the base they are the sums."""
    answers: Bools
    """Of each node of a forest; empty for a linear model."""
    read: NDArray[np.floating]
    """What the trees or the product read, ``(columns,)``."""


class Explainer:
    """Immutable; safe for several threads."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        """Read the graph.

        Raises:
            NotExplainable: its answers have no exact explanation; the text says why.
        """
        self.signature = signature
        try:
            if len(model) > MAX_MODEL_BYTES:
                raise NotExplainable(f"its graph takes more than {MAX_MODEL_BYTES >> 20} MiB")
            self._prepare(read(model))
        except (ValueError, LookupError, TypeError) as error:  # a graph from elsewhere may hold anything
            told = error if isinstance(error, Malformed) else "its operators do not fit together"
            raise NotExplainable(f"its graph is not one that is understood here: {told}") from None

    def _prepare(self, graph: Graph) -> None:
        features = self.signature.features
        inputs = [name for name in graph.inputs if name not in graph.constants]
        self._matrix = len(inputs) == 1 and (len(features) == 1 or inputs[0] != features[0].name)
        if not self._matrix and inputs != list(self.signature.names):
            raise Malformed("its inputs are not the features")
        self._dtypes = {"float32": np.float32, "float64": np.float64, "int64": np.int64}
        numeric = [number for number, feature in enumerate(features) if feature.dtype != "string"]
        self._inputs: dict[str, Ints] = (
            {inputs[0]: np.array(numeric)}
            if self._matrix and numeric
            else {features[number].name: np.array([number]) for number in numeric}
        )
        found = outline(graph, self._inputs)
        self._columns, self._reads = found.columns, found.core.inputs[0]
        self.link, self.scale, self._steepness = found.link, found.scale, found.steepness
        self.forest, sources = found.forest, found.columns.sources[self._reads]
        self.sources = sources
        """The feature of each column that the core reads."""
        self.game = self.linear = None
        if self.forest is not None:
            self.game = Game(self.forest, sources, len(features))
            sums, self.dtype = self.forest.targets, self.forest.weight.dtype.name
        else:
            self.linear = Linear(graph, found.core, sources, len(features))
            sums, self.dtype = len(self.linear.base), "float64"
        self.outputs = self._named(sums)
        if self._read([0] * len(features)).shape != sources.shape:  # any row: those of strings are not fed
            raise Malformed("its columns are not the features")

    def _named(self, sums: int) -> list[tuple[int, str]]:
        """Number and name of each sum that is told."""
        classes = [label_text(label) for label in self.signature.classes]
        if not classes and sums == 1:
            return [(0, "value")]
        alone = sums == 1 and self.signature.probabilities
        if len(classes) == 2 and (alone or (self.linear is not None and self.linear.mirrored)):
            return [(sums - 1, classes[1])]
        if len(classes) != sums:
            raise Malformed(f"it has {sums} sums for {len(classes)} classes")
        return list(enumerate(classes))

    @property
    def method(self) -> str:
        """How contributions are calculated."""
        return "linear" if self.linear else "tree"

    @property
    def work_ns(self) -> float:
        """What one explanation takes, about."""
        return NS_PER_STEP * self.game.work if self.game else 0.0

    def explain(self, row: Sequence[Value]) -> Explanation:
        """Of a row in signature order; None is missing."""
        read = self._read(row)
        if self.game is None:
            assert self.linear is not None
            return self._weighed(read)
        assert self.forest is not None
        answers = self.forest.answers(read)
        sums = self.forest.sums(self.forest.reached(answers)).astype(np.float64)
        base, contributions = self.game.base, self.game.contributions(answers)
        return Explanation(sums * self.scale, base * self.scale, contributions * self.scale, answers, read)

    def _weighed(self, read: NDArray[np.floating]) -> Explanation:
        assert self.linear is not None
        with np.errstate(over="ignore", invalid="ignore"):  # whoever asks looks whether the sums are numbers
            contributions, base = self.linear.contributions(read), self.linear.constant(read)
            sums = base + contributions.sum(axis=0)
        nothing = np.empty(0, np.bool_)
        return Explanation(sums * self.scale, base * self.scale, contributions * self.scale, nothing, read)

    def check(self, found: Explanation, label: int, served: Sequence[float]) -> None:
        """Hold an explanation against the answer that it explains.

        Args:
            found: what ``explain`` gave.
            label: index of the class that was answered; any for a regression.
            served: probabilities, or the value; empty where the model gives labels only.

        Raises:
            NotExplainable: it explains another answer, as that of a graph that was misunderstood would.
        """
        sums, loose = found.sums, LOOSE[self.dtype]
        added = found.base + found.contributions.sum(axis=0)
        size = np.abs(found.base) + np.abs(found.contributions).sum(axis=0)
        sound = bool((np.abs(added - sums) <= loose * np.maximum(size, 1)).all())
        if len(served):
            expected = links.numbers(self.link, sums * self._steepness, len(served))
            sound = sound and len(expected) == len(served)
            if sound:
                allowed = loose * np.maximum(np.abs(np.array(served)), 1) * max(1.0, float(size.max()))
                sound = bool((np.abs(expected - served) <= allowed).all())
        else:
            sound = sound and bool(sums[label] >= sums.max() - loose * max(1.0, float(size.max())))
        if not sound:
            raise NotExplainable("its contributions do not add up to the answer that is served")

    def _read(self, row: Sequence[Value]) -> NDArray[np.floating]:
        """What the trees or the product read of a row, ``(columns,)``."""
        found: NDArray[np.floating] = self._columns.values(self._feed(row))[self._reads][0]
        return found

    def _feed(self, row: Sequence[Value]) -> Values:
        features = self.signature.features
        if self._matrix:
            (name,) = self._inputs
            return {name: np.array([row], self._dtypes[features[0].dtype])}
        return {
            feature.name: np.array([[value]], self._dtypes[feature.dtype])
            for feature, value in zip(features, row, strict=True)
            if feature.dtype != "string"
        }


def single(forest: Forest | None) -> range | None:
    """The copies of the one tree that a forest consists of, beside constants; None if there are several."""
    if forest is None:
        return None
    grown = [copies for copies in forest.copies if not all(forest.trivial(root) for root in copies)]
    return grown[0] if len(grown) == 1 else None
