"""Pieces of answers that were made beforehand, one for each class, put together for many rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

MOST_PIECES = 1024
"""Of several rows each; some tens of kilobytes for each model."""
MOST_TOGETHER = 8
"""Rows."""


class Fragments:
    """Joins the fragments of a batch's labels: several rows are looked up at once. Immutable."""

    def __init__(self, fragments: Sequence[bytes], comma: bytes) -> None:
        """Make the pieces.

        Args:
            fragments: by the label's index; one or more.
            comma: between two of them.
        """
        self._fragments, self._comma = list(fragments), comma
        classes, together = len(fragments), 1
        while together < MOST_TOGETHER and classes ** (together + 1) <= MOST_PIECES:
            together += 1
        self._together = together
        self._pieces = [comma.join(piece) for piece in product(self._fragments, repeat=together)]
        self._weights = classes ** np.arange(together - 1, -1, -1)

    def joined(self, labels: NDArray[np.int64]) -> bytes:
        """The fragments of ``(n,) int64`` indices, in their order."""
        whole = len(labels) - len(labels) % self._together
        pieces, fragments = self._pieces, self._fragments
        found: list[int] = (labels[:whole].reshape(-1, self._together) @ self._weights).tolist()
        parts = [pieces[index] for index in found]
        parts += [fragments[index] for index in labels[whole:].tolist()]
        return self._comma.join(parts)
