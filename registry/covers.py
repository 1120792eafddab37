"""How many training rows came to each leaf of a tree: text that travels inside the graph.

The standard operator of trees has no place for it, and no explanation of a tree does without. It is one
property of the model's metadata per ensemble, which runtimes carry along and never look at.
"""

from __future__ import annotations

from collections.abc import Iterable

PREFIX = "mps.covers."
"""Of the property's key; the name of the ensemble's node follows."""
TREE, COPY = ";", "|"
"""A tree whose leaves hold several numbers is written in several copies (``convert.graphs.ensemble``)."""

Covers = list[list[list[float]]]
"""Of each tree, of each copy of it, of each leaf in the order of the graph: the weight of its training
rows."""


def write(trees: Iterable[Iterable[Iterable[object]]]) -> str:
    """Text such as ``50 49 5|50 49;12.5 3``. Numbers are written in their own dtype's fewest digits."""
    return TREE.join(COPY.join(" ".join(map(_number, copy)) for copy in copies) for copies in trees)


def read(text: str) -> Covers:
    """What ``write`` wrote.

    Raises:
        ValueError: it is no such text.
    """
    return [[[float(n) for n in copy.split(" ")] for copy in tree.split(COPY)] for tree in text.split(TREE)]


def _number(value: object) -> str:
    return str(value).removesuffix(".0")
