"""The study as tables of docs/exactness.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

from registry.manifest import Bound
from research.exactness.kinds import FAMILIES
from research.exactness.study import Case, Study

BEGIN = "<!-- figures: written by `mps research exactness`, do not edit -->"
END = "<!-- end of figures -->"
HEADINGS = (
    "kind of model",
    "tables",
    "rows asked",
    "labels wrong",
    "worst number",
    "target",
    "rows by margin",
    "usual: labels wrong",
    "usual: worst number",
    "cost, 1 row",
    "cost, 256 rows",
)


def figures(study: Study) -> str:
    """Machine and versions, and one table per family, in Markdown."""
    versions = ", ".join(f"{package} {version}" for package, version in sorted(study.versions.items()))
    parts = [f"Measured on: {study.machine}; {versions}; {study.random_rows:,} random rows each."]
    for family in FAMILIES:
        cases = [case for case in study.cases if case.family == family]
        if cases:
            rows = [_row(list(group)) for _, group in groupby(cases, key=lambda case: case.kind)]
            parts += [f"### {family[0].upper()}{family[1:]}", _table(rows)]
    return "\n\n".join(parts)


def rewrite(page: Path, study: Study) -> None:
    """Put fresh figures between the page's markers; the rest stays.

    Raises:
        OSError: the page cannot be read or written.
        ValueError: it has no markers.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the figures; expected the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{figures(study)}\n\n{END}{after}", "utf-8")


def _row(cases: Sequence[Case]) -> tuple[str, ...]:
    """One kind, all its tables together."""
    found = [case.examination for case in cases if case.examination]
    tables = ", ".join(case.table for case in cases)
    refused = [f"refused on {case.table}: {case.refused}" for case in cases if case.refused]
    if not found:
        return cases[0].kind, tables, f"refused: {cases[0].refused}", *[""] * (len(HEADINGS) - 3)
    exact = [each.exact for each in found]
    usual = [each.usual for each in found if each.usual]
    missed = [f"missed on {case.table}" for case in cases if case.examination and not case.examination.met]
    return (
        cases[0].kind,
        tables,
        f"{sum(each.rows for each in exact):,}",
        str(sum(each.label_mismatches for each in exact)),
        _number(max(each.max_ulp for each in exact), max(each.max_abs_error for each in exact)),
        "; ".join(missed + refused) or _bound(found[0].bound),
        str(sum(each.within_margin for each in exact)),
        f"{sum(each.label_mismatches for each in usual):,}" if usual else "does not convert",
        f"{max(each.max_abs_error for each in usual):.2g}" if usual else "",
        _ratio(each.cost_one_row for each in found),
        _ratio(each.cost_batch for each in found),
    )


def _number(ulp: float, absolute: float) -> str:
    if not absolute:
        return "same bits"
    return f"{ulp:.3g} ulp, {absolute:.2g}" if ulp else f"{absolute:.2g}"


def _bound(bound: Bound) -> str:
    if bound == Bound():
        return "same bits"
    parts = [f"{bound.ulp} ulp or {bound.absolute:.2g}"] if bound.ulp or bound.absolute else []
    parts += [f"margin {bound.margin_ulp} ulp"] if bound.margin_ulp else []
    return "; ".join(parts)


def _ratio(ratios: Iterable[float | None]) -> str:
    """Median over the tables."""
    known = [ratio for ratio in ratios if ratio is not None]
    return f"{median(known):.2f}" if known else ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [HEADINGS, ["-" * width for width in widths], *rows]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)
