"""One line per study: the best, who cannot be told from it, and the plainest of these."""

from __future__ import annotations

from typing import Literal

from research.overview import overview
from research.study.results import Comparison, FamilyResult, Results, Score


def family(name: str, kind: str, value: float | None) -> FamilyResult:
    """With one score, or none."""
    score = Score(
        method="repeated_k_fold", metric="accuracy", value=value or 0, low=0.5, high=1.0, rows=1000, how=""
    )
    return FamilyResult(
        name=name,
        kind=kind,
        interpretability="",
        parameters={},
        scores=(score,) if value else (),
        left_out={},
    )


def study(families: tuple[FamilyResult, ...], differ: tuple[str, str] | None) -> Results:
    """With at most one pair that differs."""
    tests = [(differ, 0.01), (("x", "y"), 0.5)] if differ else []
    task: Literal["classification"] = "classification"
    return Results(
        name="flowers",
        title="Flowers",
        about="",
        task=task,
        rows=1234,
        features=("a", "b"),
        classes=("x", "y"),
        sha256="",
        families=families,
        comparisons=tuple(
            Comparison(
                first=one, second=other, test="corrected resampled t of accuracy", difference=0, p=p, p_holm=p
            )
            for (one, other), p in tests
        ),
    )


def cells(results: Results) -> list[str]:
    """Of the only line."""
    return [cell.strip() for cell in overview([results]).splitlines()[2].split("|")[1:-1]]


def test_the_plainest_that_is_not_told_apart() -> None:
    """Until a test tells it apart."""
    three = (
        family("mine", "linear", 0.9),
        family("tree", "decision_tree", 0.91),
        family("xgb", "xgboost", 0.95),
    )
    link = "[flowers](reports/flowers/report.md)"
    quality = "accuracy 95.0 % [50.0, 100.0] (sample of 1,000)"
    assert cells(study(three, None)) == [link, "1,234 x 2", quality, "xgb", "tree, mine", "mine"]
    assert cells(study(three, ("mine", "xgb"))) == [link, "1,234 x 2", quality, "xgb", "tree", "tree"]


def test_alone_and_not_asked() -> None:
    """A family that no other is like; a study without cross-validation."""
    two = family("tree", "decision_tree", 0.91), family("xgb", "xgboost", 0.95)
    assert cells(study(two, ("tree", "xgb")))[3:] == ["xgb", "none", "xgb"]
    assert cells(study((family("tree", "decision_tree", None),), None))[2:] == ["-"] * 4
