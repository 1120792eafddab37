"""The registry in words: the table of models and the card of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from registry.errors import BrokenEntry, UnknownModel
from registry.gates import main_metric
from registry.history import Step, took_effect
from registry.manifest import Feature, Manifest, Metric, Parity, ParityRows, Signature, label_text
from registry.store import Store
from registry.verdict import Verdict

MAX_SHOWN = 12
"""Values of a row that are shown."""
HEADINGS = ("model", "current", "since", "others", "quality", "size", "budget", "")
HISTORY = ("time (UTC)", "step", "version", "before", "gates", "")


def rows(store: Store) -> list[str]:
    """One line per model that has a version, under headings."""
    return aligned([HEADINGS, *(_row(store, name) for name in store.published())])


def card(manifest: Manifest, steps: Sequence[Step] = (), current: int | None = None) -> list[str]:
    """Everything that a person may want to know of one version, and of how its model got where it is."""
    about, measured = manifest.card, manifest.measured
    sections: list[tuple[str, Iterable[str]]] = [
        ("features", aligned([_feature(feature) for feature in manifest.signature.features])),
        _answers(manifest.signature),
        ("metrics", aligned([(m.name, valued(m), m.method) for m in about.metrics])),
        ("parity", parity_table(manifest.parity)),
        ("measured", [f"{_figures(manifest)} ({measured.machine})"]),
        ("budget", [f"p99 of a served single-row answer within {about.budget_ms:g} ms"]),
        ("trained on", [f"{about.training_data.name}, {about.training_data.rows} rows"]),
        ("made with", aligned(sorted(manifest.versions.items()))),
        ("opsets", aligned([(name, str(opset)) for name, opset in sorted(manifest.opsets.items())])),
        ("sha256 of model.onnx", [manifest.sha256]),
        ("gates, when it was published", verdict_table(manifest.verdict)),
        ("history of the model", history_table(steps, current)),
    ]
    lines = [f"{manifest.reference}  {about.description} ({about.task}, {sized(manifest.size_bytes)})"]
    if manifest.parity.inexact:
        lines.append(f"NOT EXACT: {manifest.parity.inexact}")
    for title, content in sections:
        lines += ["", title, *(f"  {line}" for line in content)]
    return lines


def valued(metric: Metric) -> str:
    """Its value, with the interval where there is one."""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4f}"
    return f"{metric.value:.4f} ({metric.low:.4f} to {metric.high:.4f})"


def verdict_table(verdict: Verdict | None) -> list[str]:
    """One gate per line, under headings."""
    if verdict is None:
        return ["not asked"]
    against = f"against the champion {verdict.champion}" if verdict.champion else "there was no champion"
    lines = [(g.name, "passed" if g.passed else "FAILED", g.found, g.allowed) for g in verdict.gates]
    return [against, *aligned([("gate", "verdict", "found", "allowed"), *lines])]


def history_table(steps: Sequence[Step], current: int | None) -> list[str]:
    """One promotion or rollback per line, oldest first, under headings."""
    if not steps:
        return ["nothing was recorded"]
    took = took_effect(steps, current)
    return aligned([HISTORY, *(_step(*each) for each in zip(steps, took, strict=True))])


def _step(step: Step, took: bool) -> tuple[str, ...]:
    before = "-" if step.before is None else str(step.before)
    gates = step.verdict.summary if step.verdict else "not asked"
    remark = f"FORCED: {step.forced}" if step.forced else ""
    if not took:
        remark = "did not take effect: the command was stopped"
    return f"{step.time:%Y-%m-%d %H:%M:%S}", step.action, str(step.version), before, gates, remark


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _row(store: Store, name: str) -> tuple[str, ...]:
    versions = store.versions(name)
    try:
        current = store.current(name)
        manifest = store.manifest(name, current)
    except UnknownModel:
        return name, "none", "", _others(versions), "", "", "", ""
    except BrokenEntry:  # ``verify`` says why; the other models are still worth listing
        return name, "broken", "", _others(versions), "", "", "", ""
    last = _last_step(store, name, current)
    since = f"{last.time:%Y-%m-%d}" if last else "-"
    others = _others(version for version in versions if version != current)
    budget = f"{manifest.card.budget_ms:g} ms"
    size = sized(manifest.size_bytes)
    marks = ["NOT EXACT"] if manifest.parity.inexact else []
    marks += ["FORCED"] if last and last.forced else []
    return name, str(current), since, others, _quality(manifest), size, budget, ", ".join(marks)


def _last_step(store: Store, name: str, current: int) -> Step | None:
    """The one that made the current version current, where it is known."""
    try:
        steps = store.steps(name)
    except BrokenEntry:  # which ``verify`` tells; who is current does not depend on it
        return None
    return steps[-1] if steps and steps[-1].version == current else None


def _others(versions: Iterable[int]) -> str:
    return " ".join(map(str, versions)) or "-"


def _quality(manifest: Manifest) -> str:
    metric = main_metric(manifest)
    sort = "accuracy" if manifest.signature.classes else "r2"
    return f"{sort} {metric.value:.3f}" if metric else "-"


def _answers(signature: Signature) -> tuple[str, list[str]]:
    if not signature.classes:
        return "regression", ["one number"]
    labels = ", ".join(map(label_text, signature.classes))
    return "classes", [labels] if signature.probabilities else [labels, "labels only, no probabilities"]


def _feature(feature: Feature) -> tuple[str, ...]:
    missing = "may be missing" if feature.may_be_missing else "required"
    return feature.name, feature.dtype, feature.unit, span(feature), missing, feature.description


def span(feature: Feature) -> str:
    """Which values are answered."""
    if feature.dtype == "string":
        return "any text" if feature.categories is None else " | ".join(feature.categories)
    low, high = feature.minimum, feature.maximum
    match low is None, high is None:
        case True, True:
            return "any number"
        case False, True:
            return f"from {low:g}"
        case True, False:
            return f"up to {high:g}"
    return f"{low:g} to {high:g}"


def parity_table(parity: Parity) -> Iterator[str]:
    """What was compared and how it went, one kind of rows per line, then the worst rows."""
    yield f"against {parity.oracle}; allowed: {parity.bound.words}"
    headings = ("rows of kind", "rows", "label mismatches", "max ulp", "max error", "within margin")
    yield from aligned([headings, *map(_compared, parity.kinds)])
    changed = parity.rows_changed
    bits = f"{changed} with other bits, within the bound" if changed else "the same bits"
    yield f"{parity.rows_alone} rows asked alone and at other places of a batch: {bits}"
    for kind in parity.kinds:
        if kind.refused:
            yield f"{kind.refused} rows of {kind.kind} left out: the trained model refuses them"
        if kind.worst:
            yield f"worst row of {kind.kind}: {_list(kind.worst.inputs)}"
            yield f"  the trained model {_list(kind.worst.expected)}, served {_list(kind.worst.served)}"


def _compared(rows: ParityRows) -> tuple[str, ...]:
    differences = f"{rows.max_ulp:g}", f"{rows.max_abs_error:.2g}"
    return rows.kind, str(rows.rows), str(rows.label_mismatches), *differences, str(rows.within_margin)


def _list(values: Iterable[object]) -> str:
    known = list(values)
    shown = ", ".join(map(str, known[:MAX_SHOWN]))
    return f"{shown}, … ({len(known)})" if len(known) > MAX_SHOWN else shown


def _figures(manifest: Manifest) -> str:
    measured = manifest.measured
    return (
        f"one row p50 {measured.latency_p50_us:.1f} µs, p99 {measured.latency_p99_us:.1f} µs; "
        f"{measured.memory_bytes / 1e6:.2f} MB of memory"
    )


def sized(size_bytes: int) -> str:
    """Bytes in kB or MB."""
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"
