"""Small pictures of what a manifest says, as SVG: the same bytes for the same manifest.

Written here, as a serving install has nothing that draws. They bring their own background and follow the
reader's light or dark scheme; nothing in them is loaded from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from registry.manifest import Feature, Histogram, Metric, Parity

STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}
.paper{fill:#ffffff}.faint{fill:#59636e}.bar{fill:#0969da}.good{fill:#1a7f37}.bad{fill:#cf222e}
.axis{stroke:#8c959f;stroke-width:1}.span{stroke:#0969da;stroke-width:3}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}
.paper{fill:#0d1117}.faint{fill:#9198a1}.bar{fill:#4493f8}.good{fill:#3fb950}.bad{fill:#f85149}
.axis{stroke:#656c76}.span{stroke:#4493f8}}
</style>"""
MAX_PANELS = 24
"""Features that are drawn; of more the first."""
MAX_BARS = 5
"""Strings of a feature that are drawn, the most frequent ones."""
COLUMNS, PANEL, HEIGHT, PAD = 3, 240, 130, 16
LABELS, SPAN, ROW = 250, 300, 26
"""Pixels: room for the words of a line, for its bar, and its height."""


def features(columns: Sequence[Feature], histograms: Sequence[Histogram]) -> str:
    """A panel per feature with the histogram of its training rows, three in a row."""
    units = {column.name: column.unit for column in columns}
    drawn = histograms[:MAX_PANELS]
    lines = math.ceil(len(drawn) / COLUMNS)
    panels = [
        _group(
            PANEL * (place % COLUMNS), HEIGHT * (place // COLUMNS), _panel(each, units.get(each.feature, ""))
        )
        for place, each in enumerate(drawn)
    ]
    return _svg("Training rows by feature", PANEL * min(COLUMNS, len(drawn)), HEIGHT * lines, panels)


def quality(metrics: Sequence[Metric]) -> str:
    """A line per metric on one axis up to 1: a dot, and its interval where it has one."""
    bottom = min(min(m.value if m.low is None else m.low, m.value) for m in metrics)
    left = math.floor(bottom * 10) / 10 if bottom < 1 else 0.9
    lines = [_group(0, ROW * place, _dot(each, left)) for place, each in enumerate(metrics)]
    foot = ROW * len(metrics)
    lines.append(_line(LABELS, foot + 4, LABELS + SPAN, foot + 4, "axis"))
    lines += [_text(LABELS, foot + 20, f"{left:g}"), _text(LABELS + SPAN, foot + 20, "1", "end")]
    return _svg("Quality with 95 % intervals", LABELS + SPAN + 170, foot + ROW, lines)


def parity(proof: Parity) -> str:
    """A bar per kind of rows, as long as the logarithm of their number; red where a label differed."""
    most = max(kind.rows for kind in proof.kinds)
    lines = []
    for place, kind in enumerate(proof.kinds):
        length = SPAN * math.log10(1 + kind.rows) / math.log10(1 + most)
        colour = "bad" if kind.label_mismatches else "good"
        words = f"{kind.rows:,} rows, {kind.label_mismatches:,} differ, {kind.max_ulp:g} ulp"
        shapes = [_text(LABELS - 8, 17, kind.kind, "end"), _bar(LABELS, 5, length, 16, colour)]
        lines.append(_group(0, ROW * place, [*shapes, _text(LABELS + SPAN + 8, 17, words, style="faint")]))
    return _svg("Rows compared with the trained model", LABELS + SPAN + 250, ROW * len(proof.kinds), lines)


def _panel(histogram: Histogram, unit: str) -> list[str]:
    name = _short(f"{histogram.feature} ({unit})" if unit else histogram.feature, 32)
    shapes = [_text(PAD, 16, name)]
    if histogram.missing:
        shapes.append(_text(PANEL - PAD, HEIGHT - 6, f"{histogram.missing:,} missing", "end", "faint"))
    if histogram.values:
        return shapes + list(_strings(histogram))
    return shapes + list(_numbers(histogram)) if histogram.edges else shapes


def _numbers(histogram: Histogram) -> Iterable[str]:
    low, high = histogram.edges[0], histogram.edges[-1]
    width, height, foot = PANEL - 2 * PAD, 72, 100
    most = max(histogram.counts)
    for count, start, end in zip(histogram.counts, histogram.edges, histogram.edges[1:], strict=False):
        left, right = _share(start, low, high, 0.0) * width, _share(end, low, high, 1.0) * width
        tall = height * count / most
        yield _bar(PAD + left, foot - tall, max(right - left - 1, 1), tall, "bar")
    yield _line(PAD, foot, PANEL - PAD, foot, "axis")
    yield _text(PAD, HEIGHT - 16, f"{low:g}", style="faint")
    yield _text(PANEL - PAD, HEIGHT - 16, f"{high:g}", "end", "faint")


def _strings(histogram: Histogram) -> Iterable[str]:
    most = max(histogram.counts)
    pairs = zip(histogram.values, histogram.counts, strict=True)
    for place, (value, count) in enumerate(list(pairs)[:MAX_BARS]):
        y = 26 + 17 * place
        yield _bar(PAD + 100, y, max((PANEL - 2 * PAD - 140) * count / most, 1), 12, "bar")
        yield _text(PAD + 94, y + 10, _short(value, 15), "end", "faint")
        yield _text(PANEL - PAD, y + 10, f"{count:,}", "end", "faint")
    if len(histogram.values) > MAX_BARS:
        yield _text(PAD, HEIGHT - 6, f"and {len(histogram.values) - MAX_BARS} more", style="faint")


def _dot(metric: Metric, left: float) -> list[str]:
    def place(value: float) -> float:
        return LABELS + SPAN * min(max(_share(value, left, 1.0, 1.0), 0.0), 1.0)

    shapes = [_text(LABELS - 8, 17, _short(metric.name.replace("_", " "), 36), "end")]
    words = f"{metric.value:.3f}"
    if metric.low is not None and metric.high is not None:
        shapes.append(_line(place(metric.low), 13, place(metric.high), 13, "span"))
        words += f" ({metric.low:.3f} to {metric.high:.3f})"
    shapes.append(f'<circle class="bar" cx="{place(metric.value):.1f}" cy="13" r="5"/>')
    return [*shapes, _text(LABELS + SPAN + 12, 17, words, style="faint")]


def _share(value: float, low: float, high: float, alone: float) -> float:
    """Where a value lies between two, from 0 to 1. Of halves: their difference cannot overflow."""
    width = high / 2 - low / 2
    return (value / 2 - low / 2) / width if width else alone


def _svg(title: str, width: int, height: int, shapes: Iterable[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    paper = f'<rect class="paper" width="{width}" height="{height}"/>'
    return "\n".join([head, f"<title>{_xml(title)}</title>", STYLE, paper, *shapes, "</svg>"]) + "\n"


def _group(x: float, y: float, shapes: Iterable[str]) -> str:
    return f'<g transform="translate({x:g} {y:g})">{"".join(shapes)}</g>'


def _bar(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{kind}>{_xml(words)}</text>'


def _xml(words: str) -> str:
    """Text that no feature's name can break out of, without the characters that XML does not have."""
    return escape(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    )


def _short(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"
