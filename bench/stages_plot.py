"""The stages as a picture: one panel for each number of rows, one bar for each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.plot import save
from bench.spread import Spread
from bench.stage import STAGES

COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44")
"""Of the stages; they can be told apart by people who do not see all colours."""
REST = ("around them", "#bbbbbb")
PANEL_INCHES = (3.2, 3.4)


class Measured(Protocol):
    """What is drawn of one model and one number of rows."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def rows(self) -> int:
        """Of the request."""

    @property
    def stages_us(self) -> dict[str, Spread]:
        """By stage; one that the request does not have is left out."""

    @property
    def predict_us(self) -> Spread:
        """All of it."""


def draw_stages(measured: Sequence[Measured], file: Path) -> None:
    """Write an SVG; the same figures give the same bytes."""
    sizes = list(dict.fromkeys(stages.rows for stages in measured))
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(sizes), height), layout="constrained")
    for axes, rows in zip(figure.subplots(1, len(sizes), squeeze=False)[0], sizes, strict=True):
        _panel(axes, [stages for stages in measured if stages.rows == rows], rows)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    save(figure, file)


def _panel(axes: Axes, measured: Sequence[Measured], rows: int) -> None:
    models = [stages.model for stages in measured]
    bottoms = [0.0] * len(measured)
    for stage, colour in zip(STAGES, COLOURS, strict=True):
        spreads = [stages.stages_us.get(stage) for stages in measured]
        heights = [spread.median if spread else 0.0 for spread in spreads]
        axes.bar(models, heights, bottom=bottoms, color=colour, label=stage)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    wholes = [stages.predict_us.median for stages in measured]
    rest = [max(whole - bottom, 0.0) for whole, bottom in zip(wholes, bottoms, strict=True)]
    axes.bar(models, rest, bottom=bottoms, color=REST[1], label=REST[0])
    axes.set_title(f"{rows} row" if rows == 1 else f"{rows} rows")
    axes.set_ylabel("µs a request")
    axes.tick_params(axis="x", rotation=30)
    axes.spines[["top", "right"]].set_visible(False)
