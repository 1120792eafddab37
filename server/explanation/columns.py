"""Follows single features through a graph: scalers, imputers, casts, questions about categories.

As long as each column of a tensor is made of one feature alone, what a split on it or a coefficient of it
says, is said of that feature. The numbers are calculated as onnxruntime does: one IEEE operation per operator
and number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.explanation.forest import Forest, Ints
from server.explanation.graph import NUMPY, Graph, Node

NOTHING = -1
"""The source of a column that is the same for every row."""

Array = NDArray[Any]
Values = dict[str, Array]
"""By tensor: ``(1, columns)`` of one row, or a constant of any shape."""
Operation = Callable[..., Any]

ELEMENTWISE: dict[str, Operation] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Div": np.divide,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Identity": lambda x: x,
    "IsNaN": np.isnan,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Sub": np.subtract,
    "Where": np.where,
}


class Step(NamedTuple):
    """One operator whose columns are made of one feature each."""

    node: Node
    run: Callable[[Sequence[Array]], Array]


class Columns:
    """What a graph makes of single features, before it weighs them against each other."""

    def __init__(self, graph: Graph, inputs: dict[str, Ints], questions: dict[str, Forest]) -> None:
        """Go through the graph as far as that is the case.

        Args:
            graph: all of it.
            inputs: the features of the columns of each input that holds numbers.
            questions: ensembles that ask a feature something, by the name of their node.
        """
        self._constants = graph.constants
        self.sources: dict[str, Ints] = dict(inputs)
        """By tensor: the feature of each column, or ``NOTHING``."""
        self._steps: list[Step] = []
        for node in graph.nodes:
            step = self._step(node, questions.get(node.name))
            if step is not None:
                self._steps.append(step)

    def values(self, inputs: Values) -> Values:
        """Every tensor that is known, of one row."""
        found = {**self._constants, **inputs}
        with np.errstate(all="ignore"):  # infinity and NaN are numbers here as they are in the graph
            for node, run in self._steps:
                found[node.outputs[0]] = run([found[name] for name in node.inputs])
        return found

    def _step(self, node: Node, question: Forest | None) -> Step | None:
        if not all(name in self.sources or name in self._constants for name in node.inputs):
            return None
        made = self._asked(node, question) if question else self._made(node)
        if made is None:
            return None
        run, sources = made
        self.sources[node.outputs[0]] = sources
        return Step(node, run)

    def _made(self, node: Node) -> tuple[Callable[[Sequence[Array]], Array], Ints] | None:
        sources: Ints | None
        kind, axis = node.kind, node.attributes.get("axis", 0)
        if node.domain not in ("", "ai.onnx") or not any(name in self.sources for name in node.inputs):
            return None
        if kind == "Concat" and axis in (1, -1) and all(name in self.sources for name in node.inputs):
            sources = np.concatenate([self.sources[name] for name in node.inputs])
            return (lambda parts: np.concatenate(parts, axis=1)), sources
        if kind == "Gather" and axis == 1 and node.inputs[1] in self._constants:
            picked = self._constants[node.inputs[1]]
            width = len(self.sources[node.inputs[0]])
            if picked.ndim != 1 or ((picked < 0) | (picked >= width)).any():
                return None
            return (lambda parts: parts[0][:, parts[1]]), self.sources[node.inputs[0]][picked]
        if kind == "Cast" and node.attributes.get("to") in NUMPY:
            dtype = NUMPY[node.attributes["to"]]
            return (lambda parts: parts[0].astype(dtype)), self.sources[node.inputs[0]]
        if kind in ELEMENTWISE:
            operation = ELEMENTWISE[kind]
            sources = self._met(node)
            return None if sources is None else ((lambda parts: operation(*parts)), sources)
        return None

    def _met(self, node: Node) -> Ints | None:
        """Of an operator on each column by itself; None where two features meet, or the shapes are others."""
        width = max(len(self.sources[name]) for name in node.inputs if name in self.sources)
        met = np.full(width, NOTHING)
        for name in node.inputs:
            if name in self._constants:
                constant = self._constants[name]
                if constant.ndim > 2:
                    return None
                if constant.size != 1 and (constant.size, constant.shape[-1]) != (width, width):
                    return None
                continue
            own = self.sources[name]
            if len(own) not in (1, width):
                return None
            if ((met >= 0) & (own >= 0) & (met != own)).any():
                return None
            met = np.where(own >= 0, own, met)
        return met

    def _asked(self, node: Node, forest: Forest) -> tuple[Callable[[Sequence[Array]], Array], Ints] | None:
        """The answers of trees, if each is to one feature."""
        read = self.sources[node.inputs[0]][forest.feature]
        sources = np.full(forest.targets, NOTHING)
        at, target = forest.parents[len(forest.feature) :], forest.target
        while len(at):
            at, target = at[at >= 0], target[at >= 0]
            for feature in np.unique(read[at]).tolist():
                asking = target[read[at] == feature]
                if ((sources[asking] >= 0) & (sources[asking] != feature)).any():
                    return None
                sources[asking] = feature
            at = forest.parents[at]

        def run(parts: Sequence[Array]) -> Array:
            return forest.sums(forest.reached(forest.answers(parts[0][0])))[None, :]

        return run, sources
