"""The registry in words: the table of models and the card of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from registry.errors import BrokenEntry, UnknownModel
from registry.manifest import Feature, Manifest, Parity, ParityRows, Signature, label_text
from registry.store import Store

MAX_SHOWN = 12
"""Values of a row that are shown."""
HEADINGS = ("model", "current", "others", "quality", "size", "budget", "")


def rows(store: Store) -> list[str]:
    """One line per model that has a version, under headings."""
    return aligned([HEADINGS, *(_row(store, name) for name in store.published())])


def card(manifest: Manifest) -> list[str]:
    """Everything that a person may want to know of one version."""
    about, measured = manifest.card, manifest.measured
    sections: list[tuple[str, Iterable[str]]] = [
        ("features", aligned([_feature(feature) for feature in manifest.signature.features])),
        _answers(manifest.signature),
        ("metrics", aligned([(m.name, f"{m.value:.4f}", m.method) for m in about.metrics])),
        ("parity", parity_table(manifest.parity)),
        ("measured", [f"{_figures(manifest)} ({measured.machine})"]),
        ("budget", [f"p99 of a served single-row answer within {about.budget_ms:g} ms"]),
        ("trained on", [f"{about.training_data.name}, {about.training_data.rows} rows"]),
        ("made with", aligned(sorted(manifest.versions.items()))),
        ("opsets", aligned([(name, str(opset)) for name, opset in sorted(manifest.opsets.items())])),
        ("sha256 of model.onnx", [manifest.sha256]),
    ]
    lines = [f"{manifest.reference}  {about.description} ({about.task}, {_size(manifest.size_bytes)})"]
    if manifest.parity.inexact:
        lines.append(f"NOT EXACT: {manifest.parity.inexact}")
    for title, content in sections:
        lines += ["", title, *(f"  {line}" for line in content)]
    return lines


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
        return name, "none", _others(versions), "", "", "", ""
    except BrokenEntry:  # ``verify`` says why; the other models are still worth listing
        return name, "broken", _others(versions), "", "", "", ""
    others = _others(version for version in versions if version != current)
    budget = f"{manifest.card.budget_ms:g} ms"
    size = _size(manifest.size_bytes)
    mark = "NOT EXACT" if manifest.parity.inexact else ""
    return name, str(current), others, _quality(manifest), size, budget, mark


def _others(versions: Iterable[int]) -> str:
    return " ".join(map(str, versions)) or "-"


def _quality(manifest: Manifest) -> str:
    """The lowest, where there are several: on the training rows even a poor model looks good."""
    sort = "accuracy" if manifest.signature.classes else "r2"
    found = [metric.value for metric in manifest.card.metrics if sort in metric.name]
    return f"{sort} {min(found):.3f}" if found else "-"


def _answers(signature: Signature) -> tuple[str, list[str]]:
    if not signature.classes:
        return "regression", ["one number"]
    labels = ", ".join(map(label_text, signature.classes))
    return "classes", [labels] if signature.probabilities else [labels, "labels only, no probabilities"]


def _feature(feature: Feature) -> tuple[str, ...]:
    missing = "may be missing" if feature.may_be_missing else "required"
    return feature.name, feature.dtype, feature.unit, _range(feature), missing, feature.description


def _range(feature: Feature) -> str:
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


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"
