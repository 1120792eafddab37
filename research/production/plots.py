"""Accuracy against served p99."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from research.drawing import draw
from research.production.choice import Contender, front


def plot(found: Sequence[Contender], out: Path) -> None:
    """Write ``pareto.svg``."""
    draw(lambda: pareto(found), out / "pareto.svg")


def pareto(found: Sequence[Contender]) -> Figure:
    """A point for each model with the interval of its accuracy; those that none beats are filled."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    best = front(found)
    for number, each in enumerate(found):
        score, p99 = each.accuracy, each.cost.served.p99_ms
        low, high = score.low or score.value, score.high or score.value
        axes.errorbar(
            [p99],
            [score.value],
            yerr=[[score.value - low], [high - score.value]],
            fmt="o",
            capsize=3,
            color=f"C{number}",
            markerfacecolor=f"C{number}" if each.name in best else "white",
        )
        above = 6 if number % 2 else -14  # neighbours are often of one accuracy
        axes.annotate(each.name, (p99, score.value), (6, above), textcoords="offset points")
    axes.set_xlabel("served p99, ms")
    axes.set_ylabel("accuracy, leave-one-out")
    axes.set_title("Filled: no other is as accurate and as fast")
    axes.margins(x=0.2)
    axes.grid(alpha=0.3)
    return figure
