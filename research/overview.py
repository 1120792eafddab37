"""All studies in one table: which family is worth its trouble on which rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from research.markdown import between, table
from research.study.command import RESULTS, read_results
from research.study.families import INTERPRETABILITY
from research.study.page import LEVEL
from research.study.results import FamilyResult, Results, Score

METHOD = "repeated_k_fold"
HEADINGS = (
    "study",
    "rows x features",
    "quality",
    "best family",
    "not told apart from it",
    "plainest of these",
)


def studies(reports: Path) -> list[Results]:
    """Every study that was run, iris first, then by the number of rows.

    Raises:
        StudyError: the figures of one are damaged, or of another format.
    """
    found = [read_results(file.parent) for file in sorted(reports.glob(f"*/{RESULTS}"))]
    return sorted(found, key=lambda each: (each.name != "iris", each.rows))


def peers(results: Results) -> list[tuple[FamilyResult, Score]]:
    """The best family by repeated k-fold, then those that no test tells from it; empty: it was not asked."""
    metric = "accuracy" if results.classes else "r2"
    scored = [(each, results.score(each.name, METHOD, metric)) for each in results.families]
    known = sorted(((each, score) for each, score in scored if score), key=_value, reverse=True)
    return [pair for pair in known if not _differ(results, known[0][0].name, pair[0].name)]


def plainest(found: Sequence[FamilyResult]) -> FamilyResult:
    """The easiest to explain."""
    return min(found, key=lambda each: list(INTERPRETABILITY).index(each.kind))


def overview(studies: Sequence[Results]) -> str:
    """One line per study; quality is cross-validated accuracy or R²."""
    return table(HEADINGS, [_row(each) for each in studies])


def _row(results: Results) -> list[str]:
    link = f"[{results.name}](reports/{results.name}/report.md)"
    size = f"{results.rows:,} x {len(results.features)}"
    if not (found := peers(results)):
        return [link, size, "-", "-", "-", "-"]
    (best, score), *others = found
    alike = ", ".join(each.name for each, _ in others) or "none"
    quality = ("accuracy " if results.classes else "R² ") + between(
        score.value, score.low, score.high, bool(results.classes)
    )
    if score.rows < results.rows:
        quality += f" (sample of {score.rows:,})"
    return [link, size, quality, best.name, alike, plainest([each for each, _ in found]).name]


def _value(pair: tuple[FamilyResult, Score]) -> float:
    return pair[1].value


def _differ(results: Results, one: str, other: str) -> bool:
    return any(
        {test.first, test.second} == {one, other} and test.p_holm < LEVEL for test in results.comparisons
    )
