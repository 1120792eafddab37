"""Pictures of a study, drawn from its written figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.drawing import draw
from research.study.page import METRICS, TITLES
from research.study.results import FamilyResult, Results

PANEL_INCHES, LINE_INCHES, SPARE_INCHES = 5.2, 0.24, 1.2
SQUARE_INCHES = 3.2


def plot(results: Results, out: Path) -> list[str]:
    """Write the pictures that the results have figures for; their names, in the order of the page."""
    makers: dict[str, Callable[[Results], Figure]] = {"scores": quality}
    if any(each.calibration for each in results.families):
        makers |= {"calibration": reliability, "confusion": confusion}
    for name, make in makers.items():
        draw(lambda make=make: make(results), out / f"{name}.svg")  # type: ignore[misc]
    return list(makers)


def quality(results: Results) -> Figure:
    """A point for each family and method, with its interval; one panel per metric."""
    found = {score.metric for each in results.families for score in each.scores}
    metrics = [metric for metric in METRICS if metric in found]
    lines = max(
        sum(score.metric == metric for each in results.families for score in each.scores)
        for metric in metrics
    )
    size = (
        PANEL_INCHES * len(metrics) + SPARE_INCHES,
        LINE_INCHES * (lines + len(results.families)) + SPARE_INCHES,
    )
    figure = Figure(figsize=size, layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        _points(axes, results, metric)
    return figure


def reliability(results: Results) -> Figure:
    """Share that came true over stated probability; on the diagonal they agree. Larger points: more rows."""
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for each in results.families:
        if each.calibration:
            bins = each.calibration.bins
            sure, true = [b.confidence for b in bins], [b.accuracy for b in bins]
            (line,) = axes.plot(sure, true, linewidth=1, label=each.name)
            sizes = [8 + 60 * b.rows / results.rows for b in bins]
            axes.scatter(sure, true, s=sizes, color=line.get_color())
    axes.set_xlabel("stated probability of the answer")
    axes.set_ylabel("share that was right")
    axes.set_title(f"{results.title}: calibration")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def confusion(results: Results) -> Figure:
    """One square per family, darker where a larger share of the true class is answered so."""
    known = [each for each in results.families if each.confusion]
    figure = Figure(figsize=(SQUARE_INCHES * len(known) + 0.8, SQUARE_INCHES + 0.6), layout="constrained")
    for axes, each in zip(figure.subplots(1, len(known), squeeze=False)[0], known, strict=True):
        _square(axes, each, results.classes)
    return figure


def _points(axes: Axes, results: Results, metric: str) -> None:
    colours = {method: f"C{number}" for number, method in enumerate(TITLES)}
    place, ticks, named = 0, [], set()
    for each in results.families:
        scores = [score for score in each.scores if score.metric == metric]
        ticks.append((place + (len(scores) - 1) / 2, each.name))
        for score in scores:
            low, high = score.low if score.low is not None else score.value, score.high or score.value
            reach = [[max(0.0, score.value - low)], [max(0.0, high - score.value)]]
            label = None if score.method in named else TITLES[score.method]
            named.add(score.method)
            axes.errorbar(
                [score.value],
                [place],
                xerr=reach,
                fmt="o",
                capsize=3,
                color=colours[score.method],
                label=label,
            )
            place += 1
        place += 1
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.invert_yaxis()
    axes.set_xlabel(METRICS[metric])
    axes.set_title(results.title)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="x-small")


def _square(axes: Axes, each: FamilyResult, classes: tuple[str, ...]) -> None:
    assert each.confusion
    counts = each.confusion.counts
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
    for down, row in enumerate(counts):
        for across, count in enumerate(row):
            if not count:
                continue
            colour = "white" if shares[down][across] > 0.5 else "black"
            axes.text(
                across + 0.5, down + 0.5, str(count), ha="center", va="center", fontsize=7, color=colour
            )
    middles = [number + 0.5 for number in range(len(classes))]
    axes.set_xticks(middles, classes, fontsize=7, rotation=45)
    axes.set_yticks(middles, classes, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    axes.set_title(each.name)
