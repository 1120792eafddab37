"""Plain plots as SVG files, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.spread import Spread

PANEL_INCHES, LINE_INCHES = 3.6, 0.36
"""Width of a panel without its names, and height of one of its lines."""
LETTER_INCHES, HEAD_INCHES = 0.075, 1.1
WIDE_INCHES = (6.4, 4.2)


class Panel(NamedTuple):
    """Some figures of one kind, one below the other."""

    title: str
    unit: str
    figures: Mapping[str, Spread]
    """From top to bottom; positive."""


def panels(shown: Sequence[Panel]) -> Figure:
    """One beside the other: a point for each median, a line from the lowest round to the highest.

    The axis is logarithmic, since figures that are compared may lie a hundredfold apart; so there are points
    and no bars, whose length would mean nothing.
    """
    names = list(dict.fromkeys(name for panel in shown for name in panel.figures))
    width = PANEL_INCHES * len(shown) + LETTER_INCHES * max(map(len, names))
    figure = Figure(figsize=(width, HEAD_INCHES + LINE_INCHES * len(names)), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        _draw(axes, panel, names)
    return figure


def curves(unit_x: str, unit_y: str, series: Mapping[str, Mapping[int, Spread]]) -> Figure:
    """A line for each series through its medians, with the range of the rounds at each point."""
    figure = Figure(figsize=WIDE_INCHES, layout="constrained")
    axes = figure.subplots()
    for name, points in series.items():
        spreads = list(points.values())
        medians = [spread.median for spread in spreads]
        axes.errorbar(list(points), medians, yerr=_reach(spreads), label=name, capsize=3, marker="o")
    axes.set_xlabel(unit_x)
    axes.set_ylabel(unit_y)
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted({x for points in series.values() for x in points}))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def save(figure: Figure, file: Path) -> None:
    """As SVG, without date and with ids that do not change."""
    with matplotlib.rc_context({"svg.hashsalt": "mps-bench", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})


def _draw(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    spreads = list(panel.figures.values())
    places = [names.index(name) for name in panel.figures]
    medians = [spread.median for spread in spreads]
    axes.errorbar(medians, places, xerr=_reach(spreads), fmt="o", capsize=3)
    for place, median in zip(places, medians, strict=True):
        axes.annotate(_number(median), (median, place), (0, 5), textcoords="offset points", ha="center")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel(panel.unit)
    axes.set_title(panel.title)
    axes.grid(axis="x", alpha=0.3)


def _reach(spreads: Sequence[Spread]) -> list[list[float]]:
    below = [spread.median - spread.low for spread in spreads]
    return [below, [spread.high - spread.median for spread in spreads]]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
