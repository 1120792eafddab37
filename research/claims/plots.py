"""Pictures of the evidence, drawn from its written figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from research.claims.accuracy import SPLIT_POINTS
from research.claims.evidence import Evidence, Point
from research.drawing import draw


def plot(evidence: Evidence, differences: Mapping[str, Sequence[float]], out: Path) -> None:
    """Write ``splits.svg`` and ``trees.svg``."""
    draw(lambda: splits(differences), out / "splits.svg")
    draw(lambda: trees({"forest": evidence.forest, "xgboost": evidence.boosting}), out / "trees.svg")


def splits(differences: Mapping[str, Sequence[float]]) -> Figure:
    """A box for each family: its differences, with the claimed one as a line on either side."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.boxplot(list(differences.values()), orientation="horizontal", tick_labels=list(differences))
    for claimed in (-SPLIT_POINTS, SPLIT_POINTS):
        axes.axvline(claimed, color="C3", linestyle="--", linewidth=1)
    axes.axvline(0, color="0.6", linewidth=1)
    axes.set_xlabel("leave-one-out minus one split, points of accuracy")
    axes.set_title("Dashed: the claimed 5.6 points")
    return figure


def trees(series: Mapping[str, Sequence[Point]]) -> Figure:
    """Accuracy over the number of trees, with the interval at each."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, points in series.items():
        below = [each.accuracy - each.low for each in points]
        above = [each.high - each.accuracy for each in points]
        counts = [each.trees for each in points]
        accuracies = [each.accuracy for each in points]
        axes.errorbar(counts, accuracies, yerr=[below, above], label=name, capsize=3, marker="o")
    axes.set_xscale("log")
    axes.set_xlabel("trees of the forest, rounds of xgboost")
    axes.set_ylabel("cross-validated accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure
