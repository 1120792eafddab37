"""One tree, or a list of rules, as an SVG picture: the same bytes for the same graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np

from registry.manifest import Manifest, label_text
from server.errors import NotExplainable
from server.explanation.explainer import Explainer, single
from server.explanation.forest import MODES, Forest

MOST_NODES = 127
"""Seven full levels; nobody reads more."""
WIDTH, HEIGHT, GAP, STEP, MARGIN, TITLE = 190, 46, 16, 98, 12, 34
"""Of a box, between boxes, from one level to the next, around everything, above it: in pixels."""
LONGEST = 24
"""Characters of a line; what is longer is cut off, and whole in the tooltip."""
COLOURS = ("#cfe3f7", "#f9dcc4", "#d5efd3", "#e6d9f2", "#fbe9a9", "#f6cfd8", "#d3eeee", "#e3e3e3")
STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#222;text-anchor:middle}"
    ".title{font-size:15px;text-anchor:start}.strong{font-weight:bold}"
    ".side{fill:#555;stroke:#fff;stroke-width:4px;paint-order:stroke}"
    "rect{stroke:#444}path{stroke:#888;fill:none}"
)


@dataclass
class Box:
    """A node: what stands in it, and below it."""

    lines: tuple[str, str]
    fill: str = "#ffffff"
    sides: tuple[str, str] = ("", "")
    below: list[Box] = field(default_factory=list)
    level: int = 0
    middle: float = 0.0
    """In pixels from the left."""


def picture(explainer: Explainer, manifest: Manifest) -> str:
    """The SVG document.

    Raises:
        NotExplainable: the model is no tree, several, or one that is too large to be read.
    """
    forest, copies = explainer.forest, single(explainer.forest)
    if forest is None or copies is None:
        told = "no tree" if forest is None else f"made of {len(forest.copies)} trees"
        raise NotExplainable(f"{manifest.reference} cannot be drawn: it is {told}; a picture shows one")
    nodes = 2 * max(int((forest.tree_of_leaf == root).sum()) for root in copies) - 1
    if nodes > MOST_NODES:
        raise NotExplainable(
            f"{manifest.reference} cannot be drawn: its tree has {nodes} nodes, and a picture shows up to "
            f"{MOST_NODES}"
        )
    root = _Drawing(explainer, forest).box([int(forest.roots[copy]) for copy in copies], 0)
    boxes = list(_all(root))
    ends = [box for box in boxes if not box.below]
    for place, box in enumerate(ends):
        box.middle = MARGIN + place * (WIDTH + GAP) + WIDTH / 2
    for box in reversed(boxes):  # children before their parents
        if box.below:
            box.middle = sum(child.middle for child in box.below) / len(box.below)
    width = 2 * MARGIN + len(ends) * (WIDTH + GAP) - GAP
    height = 2 * MARGIN + TITLE + max(box.level for box in boxes) * STEP + HEIGHT
    title = f"{manifest.reference}: {manifest.card.description}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{_text(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{MARGIN}" y="{MARGIN + 14}">'
        f"{_text(_cut(title, (width - 2 * MARGIN) // 10))}</text>",
        *(
            _edge(box, child, side)
            for box in boxes
            for child, side in zip(box.below, box.sides, strict=False)
        ),
        *(_shape(box) for box in boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Drawing:
    def __init__(self, explainer: Explainer, forest: Forest) -> None:
        self._explainer, self._forest = explainer, forest
        width = len(explainer.signature.features)
        probes = [explainer.explain((probe,) * width).read == probe for probe in (1.25, -3.5)]
        self._raw = np.logical_and(*probes)
        """Of each column: whether it is the feature as it was given."""

    def box(self, at: list[int], level: int) -> Box:
        """Of one place in all copies of a tree; the copies that ended above it have told all that they
        add."""
        forest = self._forest
        inner = [place for place in at if place >= 0]
        if not inner:
            box = self._leaf([~place for place in at])
        else:
            node = inner[0]
            sides = [[int(forest.children[side, p]) if p >= 0 else p for p in at] for side in (0, 1)]
            box = self._split(node)
            box.below = [self.box(side, level + 1) for side in sides]
        box.level = level
        return box

    def _split(self, node: int) -> Box:
        forest, explainer = self._forest, self._explainer
        feature = explainer.signature.features[int(explainer.sources[forest.feature[node]])]
        raw = self._raw[forest.feature[node]]
        unit = f" {feature.unit}" if feature.unit and raw else ""
        sign = MODES[int(forest.mode[node])][0]
        condition = f"{feature.name}{'' if raw else ' (scaled)'} {sign} {forest.threshold[node]:.6g}{unit}"
        missing = " or missing" if feature.may_be_missing else ""
        to_true = bool(forest.missing[node])
        sides = f"yes{missing if to_true else ''}", f"no{'' if to_true else missing}"
        return Box((condition, self._rows(node)), sides=sides)

    def _leaf(self, leaves: list[int]) -> Box:
        forest, explainer = self._forest, self._explainer
        values = np.zeros(forest.targets)
        for leaf in leaves:
            values[forest.target[leaf]] += float(forest.weight[leaf]) * explainer.scale
        rows = self._rows(len(forest.feature) + leaves[0])
        classes = explainer.signature.classes
        if len(classes) != forest.targets:
            return Box((f"{values[0]:.6g}", rows), COLOURS[0])
        best = int(values.argmax())
        share = f"{100 * values[best]:.3g} %"
        return Box((label_text(classes[best]), f"{share} of {rows}"), COLOURS[best % len(COLOURS)])

    def _rows(self, place: int) -> str:
        assert self._forest.cover is not None  # or there were no explainer
        cover = float(self._forest.cover[place])
        return (
            f"{cover:.6g} rows" if cover.is_integer() else f"weight {cover:.4g}"
        )  # of rows that count unequally


def _all(box: Box) -> list[Box]:
    """Parents before their children, from left to right."""
    return [box, *(each for child in box.below for each in _all(child))]


def _top(box: Box) -> int:
    return MARGIN + TITLE + box.level * STEP


def _edge(box: Box, child: Box, side: str) -> str:
    start, end = _top(box) + HEIGHT, _top(child)
    x, y = (box.middle + child.middle) / 2, (start + end) / 2
    return (
        f'<path d="M{box.middle:g} {start}L{child.middle:g} {end}"/>'
        f'<text class="side" x="{x:g}" y="{y:g}">{_text(side)}</text>'
    )


def _shape(box: Box) -> str:
    top, (first, second) = _top(box), box.lines
    strong = "" if box.below else ' class="strong"'
    return (
        f"<g><title>{_text(f'{first}, {second}')}</title>"
        f'<rect x="{box.middle - WIDTH / 2:g}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{box.fill}"/>'
        f'<text{strong} x="{box.middle:g}" y="{top + 19}">{_text(_cut(first, LONGEST))}</text>'
        f'<text x="{box.middle:g}" y="{top + 36}">{_text(_cut(second, LONGEST))}</text></g>'
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    """For XML, which has no word for most control characters."""
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in text))
