"""Every request and every switch of some seconds, as a picture over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.load.spec import Answer
from bench.steadiness import Watched
from bench.switcher import Reload

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44")
"""Of the models; they can be told apart by people who do not see all colours."""
OTHER = "#000000"
"""Of an answer that none of the models gave."""
INCHES, DOTS_PER_INCH = (10.0, 6.4), 150
CLOSE_UP = 0.1
"""The lower panel's share of the upper one's time."""


def timeline(watched: Watched, models: Sequence[str], budget_ms: float, plot_seconds: float) -> Figure:
    """Latencies of the last ``plot_seconds`` of the measured time, and below them the last tenth of that.

    A dot is a request: when it was due, how long it took, and which model answered. The dots are one bitmap,
    so that the file stays small however many they are; the rest is lines and text.
    """
    seconds = watched.timings.seconds
    colours = dict(zip(models, COLOURS, strict=False))
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    above, below = figure.subplots(2, 1)
    shown_s = min(plot_seconds, seconds)
    for axes, span_s, size in ((above, shown_s, 3.0), (below, shown_s * CLOSE_UP, 5.0)):
        _draw(axes, watched, colours, (seconds - span_s, seconds), size)
        axes.set_title(f"every request of the last {span_s:g} s", loc="left", fontsize="medium")
        axes.axhline(budget_ms, color="black", linestyle="--", linewidth=1, label="budget of the p99")
    below.set_xlabel("seconds of the run")
    handles, labels = above.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _draw(
    axes: Axes, watched: Watched, colours: Mapping[str, str], span_s: tuple[float, float], size: float
) -> None:
    begin_s = watched.timings.begin_s
    low_s, high_s = (begin_s + second for second in span_s)
    _switches(axes, [one for one in watched.reloads if low_s <= one.acknowledged_s < high_s], begin_s)
    answers = [answer for answer in watched.measured if low_s <= answer.due_s < high_s]
    for model, colour in colours.items():
        _dots(axes, [answer for answer in answers if answer.model == model], begin_s, model, colour, size)
    strangers = [answer for answer in answers if answer.model not in colours]
    if strangers:
        _dots(axes, strangers, begin_s, "another", OTHER, size)
    axes.set_xlim(*span_s)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("latency, ms (log scale)")
    axes.spines[["top", "right"]].set_visible(False)


def _switches(axes: Axes, reloads: Sequence[Reload], begin_s: float) -> None:
    """A line from bottom to top where each was acknowledged."""
    axes.vlines(
        [reload.acknowledged_s - begin_s for reload in reloads],
        0,
        1,
        transform=axes.get_xaxis_transform(),
        colors="#bbbbbb",
        linewidths=0.6,
        zorder=0,
        label="switch acknowledged",
    )


def _dots(
    axes: Axes, answers: Sequence[Answer], begin_s: float, model: str, colour: str, size: float
) -> None:
    axes.plot(
        [answer.due_s - begin_s for answer in answers],
        [answer.latency_ms for answer in answers],
        linestyle="none",
        marker="o",
        markersize=size,
        markeredgewidth=0,
        color=colour,
        label=model,
        rasterized=True,
    )
