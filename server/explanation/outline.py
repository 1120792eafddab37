"""Finds the operator that weighs features against each other, and the way from there to the answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from registry.covers import PREFIX
from server.errors import NotExplainable
from server.explanation import links
from server.explanation.columns import Columns
from server.explanation.forest import Forest, Ints
from server.explanation.graph import Graph, Node
from server.explanation.links import Link
from server.explanation.wire import Malformed

TREES = "TreeEnsemble"
LABELLERS = {"ArgMax", "ArgMin"}


class Outline(NamedTuple):
    """A graph, as far as it is explained."""

    core: Node
    forest: Forest | None
    """The core, if it is made of trees; else it is a ``Gemm``."""
    columns: Columns
    scale: float
    """What the core's sums are multiplied by to be those that are explained: 1 over the number of trees of a
    forest, -1 where the graph goes on with sums of the other sign."""
    steepness: float
    """What those are multiplied by before the link."""
    link: Link


def outline(graph: Graph, inputs: dict[str, Ints]) -> Outline:
    """``inputs`` names the features in the columns of each input of numbers.

    Raises:
        NotExplainable: there is no such operator, or the way from it is not a known one.
        Malformed: its attributes contradict each other.
    """
    trees = [node for node in graph.nodes if node.kind == TREES]
    asking = {node.name for node in trees if _leads_to_others(graph, node, trees)}
    questions = {node.name: Forest(node, None) for node in trees if node.name in asking}
    columns = Columns(graph, inputs, questions)
    core = _core(graph, columns)
    forest = Forest(core, graph.metadata.get(PREFIX + core.name)) if core.kind == TREES else None
    read = columns.sources[core.inputs[0]]
    if forest is not None and forest.feature.max() >= len(read):
        raise Malformed("its trees read columns that are not there")
    scale, steepness, kinds = _behind(graph, core)
    link = links.link(kinds)
    if link == "logistic":  # 1 / (1 + e ** x) is how graphs write it
        scale = -scale
    return Outline(core, forest, columns, scale, steepness, link)


def _leads_to_others(graph: Graph, node: Node, trees: list[Node]) -> bool:
    made = set(node.outputs)
    for other in graph.nodes:
        if made & set(other.inputs):
            if other in trees:
                return True
            made |= set(other.outputs)
    return False


def _core(graph: Graph, columns: Columns) -> Node:
    """The first operator in each way through the graph whose columns are made of several features.

    Raises:
        NotExplainable: there are several, none, or another than trees and products.
    """
    known = columns.sources.keys() | graph.constants.keys()
    met = [
        node
        for node in graph.nodes
        if node.outputs[0] not in known and any(name in columns.sources for name in node.inputs)
    ]
    text = [node for node in graph.nodes if set(node.inputs) & set(graph.inputs) - columns.sources.keys()]
    if text:
        raise NotExplainable(
            f"it reads text ({text[0].kind}), and only numbers are followed to where they are weighed"
        )
    if len(met) != 1:
        told = ", ".join(sorted({node.kind for node in met})) or "nothing"
        raise NotExplainable(
            f"its features meet in {len(met)} places ({told}), and only a sum in one place can be told apart"
        )
    (core,) = met
    if core.kind not in (TREES, "Gemm"):
        raise NotExplainable(
            f"its features meet in a {core.kind}, which is neither an ensemble of trees nor a linear model"
        )
    if core.inputs[0] not in columns.sources:
        raise NotExplainable(f"the features are not the first input of its {core.kind}")
    return core


def _behind(graph: Graph, core: Node) -> tuple[float, float, set[str]]:
    """What the sums are divided by, multiplied with after that, and the kinds of operators that are left."""
    wanted = next((name for name in ("probabilities", "value") if name in graph.outputs), None)
    if wanted is None:  # labels only: of the largest sum
        return 1.0, 1.0, set()
    leading: set[str] = {wanted}
    for node in reversed(graph.nodes):
        if leading & set(node.outputs):
            leading |= set(node.inputs)
    scale, steepness = 1.0, 1.0
    at = core.outputs[0]
    rest = [node for node in graph.nodes if set(node.outputs) & leading]
    while at != wanted:
        after = [node for node in rest if at in node.inputs]
        (node, *others) = after
        factor = _factor(graph, node)
        if others or factor is None:
            break
        if node.kind == "Mul":
            steepness *= factor
        else:
            scale *= factor
        at = node.outputs[0]
    made, kinds = {at}, set()
    for node in rest:
        if made & set(node.inputs):
            made |= set(node.outputs)
            kinds.add(node.kind)
    if not kinds:
        return scale * steepness, 1.0, kinds
    return scale, steepness, kinds


def _factor(graph: Graph, node: Node) -> float | None:
    """Of an operator that multiplies all sums alike; None if it does something else."""
    if node.kind == "Cast":
        return 1.0
    number = graph.constants.get(node.inputs[1]) if node.kind in ("Mul", "Div") else None
    if number is None or number.size != 1 or not np.isfinite(number).all() or not number.all():
        return None
    return float(number.ravel()[0]) if node.kind == "Mul" else 1 / float(number.ravel()[0])
