"""A study as a page: every table comes from ``results.json``."""

from __future__ import annotations

from collections.abc import Iterator

from research.markdown import between, table
from research.study.results import Comparison, FamilyResult, Results, Score

TITLES = {
    "repeated_k_fold": "repeated k-fold",
    "leave_one_out": "leave-one-out",
    "hold_out": "hold-out",
    "out_of_bag": "out-of-bag",
    "nested": "nested search",
}
METRICS = {"accuracy": "Accuracy", "r2": "R²", "mae": "Mean absolute error"}
SHOWN_CLASSES = 12
LEVEL = 0.05


def page(results: Results, plots: list[str]) -> str:
    """The whole report in Markdown."""
    parts = [
        f"# {results.title}",
        f"{results.about}. {results.rows:,} rows, {len(results.features)} features, "
        + (f"{len(results.classes)} classes." if results.classes else "a regression."),
        f"Written by `mps research study {results.name}`; every figure is in [results.json](results.json). "
        "In brackets: the interval of 95 %.",
        *_quality(results),
        *(f"![{name}]({name}.svg)" for name in plots),
        *_pairs(results),
        *_calibration(results),
        *_confusion(results),
        *_picks(results),
        *_commands(results),
    ]
    return "\n\n".join(parts) + "\n"


def scores(results: Results, metric: str) -> str:
    """Families by methods, one metric."""
    methods = [name for name in TITLES if any(_find(each, name, metric) for each in results.families)]
    rows = [
        [each.name, *(_cell(_find(each, method, metric)) for method in methods)] for each in results.families
    ]
    return table(["family", *(TITLES[method] for method in methods)], rows)


def pairs(results: Results) -> str:
    """Every paired test, with what it says."""
    headings = ("test", "pair", "difference", "rows only one got right", "p", "p (Holm)", "verdict")
    return table(headings, [_pair(each, bool(results.classes)) for each in results.comparisons])


def _quality(results: Results) -> Iterator[str]:
    yield "## Quality on rows that were not seen"
    for metric in METRICS:
        if any(score.metric == metric for each in results.families for score in each.scores):
            yield f"**{METRICS[metric]}**"
            yield scores(results, metric)
    how = dict.fromkeys(score.how for each in results.families for score in each.scores)
    yield "\n".join(f"- {text[0].upper()}{text[1:]}." for text in how)
    reasons = [
        f"- {TITLES[method].capitalize()}: not for {each.name}: {reason}."
        for each in results.families
        for method, reason in each.left_out.items()
    ]
    if reasons:
        yield "\n".join(reasons)


def _pairs(results: Results) -> Iterator[str]:
    if not results.comparisons:
        return
    yield "## Do the families differ?"
    yield pairs(results)
    unit = "accuracy" if results.classes else "mean absolute error"
    yield (
        f"Differences of {unit}, first minus second. A pair differs when p after Holm's adjustment over all "
        f"pairs of the test is below {LEVEL}; otherwise these rows cannot tell the two apart, which does not "
        "say that they are equal."
    )


def _pair(each: Comparison, percent: bool) -> list[str]:
    alone = "" if each.only_first is None else f"{each.only_first} / {each.only_second}"
    difference = f"{each.difference:+.1%}" if percent else f"{each.difference:+.3g}"
    if each.low is not None and each.high is not None:
        ends = (
            (f"{each.low:+.1%}", f"{each.high:+.1%}")
            if percent
            else (f"{each.low:+.3g}", f"{each.high:+.3g}")
        )
        difference += f" [{ends[0]}, {ends[1]}]"
    verdict = "differ" if each.p_holm < LEVEL else "cannot be told apart"
    name = each.test.partition(",")[0]
    return [name, f"{each.first} - {each.second}", difference, alone, p(each.p), p(each.p_holm), verdict]


def p(value: float) -> str:
    """A chance; below a ten-thousandth the digits say nothing more."""
    return f"{value:.3f}" if value >= 0.001 else ("< 0.001" if value >= 0.0001 else "< 0.0001")


def _calibration(results: Results) -> Iterator[str]:
    known = [each for each in results.families if each.calibration]
    if not known:
        return
    yield "## Can the probabilities be believed?"
    rows = []
    for each in known:
        assert each.calibration
        score, error = each.calibration.brier, each.calibration.expected_error
        rows.append([each.name, between(score.value, score.low, score.high, False), f"{error.value:.3f}"])
    yield table(["family", "Brier score (0 best, 2 worst)", "expected calibration error"], rows)
    lines = []
    for each in known:
        assert each.calibration
        for place in each.calibration.bins:
            span = f"{place.low:.1f} to {place.high:.1f}"
            figures = [str(place.rows), f"{place.confidence:.3f}", f"{place.accuracy:.3f}"]
            lines.append([each.name, span, *figures])
    yield table(["family", "stated probability", "rows", "mean stated", "came true"], lines)
    assert known[0].calibration
    yield f"Probability of the class that was answered; {known[0].calibration.how}."


def _confusion(results: Results) -> Iterator[str]:
    known = [each for each in results.families if each.confusion]
    if not known:
        return
    yield "## Which class is taken for which?"
    for each in known:
        assert each.confusion
        few = len(results.classes) <= SHOWN_CLASSES
        headings = [
            each.name,
            "rows",
            "precision",
            "recall",
            *(f"as {name}" for name in results.classes if few),
        ]
        rows = []
        for quality, counts in zip(each.confusion.classes, each.confusion.counts, strict=True):
            shares = [_share(quality.precision), _share(quality.recall)]
            rows.append([quality.name, str(quality.rows), *shares, *(str(count) for count in counts if few)])
        yield table(headings, rows)
    assert known[0].confusion
    yield f"Rows down: the true class. Columns: what was answered; {known[0].confusion.how}."


def _picks(results: Results) -> Iterator[str]:
    rows = [
        [each.name, ", ".join(f"{key} {value}" for key, value in pick.parameters.items()), str(pick.folds)]
        for each in results.families
        for pick in each.picks
    ]
    if rows:
        yield "## What the nested search picked"
        yield table(["family", "parameters", "outer folds"], rows)
        yield "A family whose folds pick different parameters has too few rows to choose them by."


def _commands(results: Results) -> Iterator[str]:
    yield "## Serve it"
    yield (
        "`models/`, `cards/` and `rows.csv` are beside this page after the study has run.\n\n"
        "```sh\n"
        "mps convert models --card cards --data rows.csv --registry my_registry --promote\n"
        f"mps serve --registry my_registry --model {results.families[-1].name}\n"
        "```"
    )


def _find(each: FamilyResult, method: str, metric: str) -> Score | None:
    return next((s for s in each.scores if (s.method, s.metric) == (method, metric)), None)


def _cell(score: Score | None) -> str:
    return between(score.value, score.low, score.high, score.metric == "accuracy") if score else "-"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
