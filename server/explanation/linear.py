"""What each feature added to the sums of a linear model: its coefficient times what the model reads of it.

That is the Shapley value where the features are taken for independent and each is compared with a reading of
zero (Štrumbelj and Kononenko, Knowledge and Information Systems 2014; "linear SHAP"), and the base is the
intercept. Behind a ``StandardScaler`` a reading of zero is the mean of the training rows, and the
contribution ``coefficient * (value - mean) / deviation``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.explanation.columns import NOTHING
from server.explanation.forest import Ints
from server.explanation.graph import Graph, Node
from server.explanation.wire import Malformed

Floats = NDArray[np.float64]


class Linear:
    """Coefficients and intercepts of one ``Gemm``."""

    def __init__(self, graph: Graph, node: Node, sources: Ints, features: int) -> None:
        """``sources`` names the feature that each column of its input is made of.

        Raises:
            Malformed: its shapes do not fit together.
        """
        given = node.attributes
        plain = all(given.get(name, default) == default for name, default in PLAIN.items())
        matrices = [graph.constants.get(name) for name in node.inputs[1:]]
        weights = matrices[0] if matrices else None
        if not plain or weights is None or weights.ndim != 2 or len(weights) != len(sources):
            raise Malformed("its linear part is no product with one matrix")
        bias = matrices[1] if len(matrices) > 1 else np.zeros(1)
        if bias is None or bias.size not in (1, weights.shape[1]):
            raise Malformed("its linear part has no intercept for each sum")
        self.weights: Floats = weights.astype(np.float64)
        """``(columns, sums)``"""
        self.base: Floats = np.broadcast_to(bias.ravel().astype(np.float64), weights.shape[1:])
        self._sources, self._features = sources, features

    @property
    def mirrored(self) -> bool:
        """Whether the first of two sums is the second with its sign turned: one of them says it all."""
        first, *others = self.weights.T
        return len(others) == 1 and bool((first == -others[0]).all() and self.base[0] == -self.base[1])

    def contributions(self, row: NDArray[np.floating]) -> Floats:
        """Of each feature to each sum, ``(features, sums)``; of a row ``(columns,)``. What is the same for
        every row belongs to no feature: ``constant`` has it."""
        total = np.zeros((self._features, len(self.base)))
        told = self._sources != NOTHING
        np.add.at(total, self._sources[told], (row[:, None] * self.weights)[told])
        return total

    def constant(self, row: NDArray[np.floating]) -> Floats:
        """The intercepts, with what columns add that are the same for every row, ``(sums,)``."""
        alike = self._sources == NOTHING
        found: Floats = self.base + row[alike] @ self.weights[alike]
        return found


PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
"""Attributes of the operator, where nothing else happens than a product and a sum."""
