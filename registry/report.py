"""The registry in words: the table of models and the card of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from registry.errors import BrokenEntry, UnknownModel
from registry.manifest import Feature, Manifest
from registry.store import Store

HEADINGS = ("model", "current", "others", "accuracy", "size", "budget")


def rows(store: Store) -> list[str]:
    """One line per model that has a version, under headings."""
    return _aligned([HEADINGS, *(_row(store, name) for name in store.published())])


def card(manifest: Manifest) -> list[str]:
    """Everything that a person may want to know of one version."""
    about, measured = manifest.card, manifest.measured
    sections: list[tuple[str, Iterable[str]]] = [
        ("features", _aligned([_feature(feature) for feature in manifest.signature.features])),
        ("classes", [", ".join(manifest.signature.classes)]),
        ("metrics", _aligned([(m.name, f"{m.value:.4f}", m.method) for m in about.metrics])),
        ("parity", _parity(manifest)),
        ("measured", [f"{_figures(manifest)} ({measured.machine})"]),
        ("budget", [f"p99 of a served single-row answer within {about.budget_ms:g} ms"]),
        ("trained on", [f"{about.training_data.name}, {about.training_data.rows} rows"]),
        ("made with", _aligned(sorted(manifest.versions.items()))),
        ("opsets", _aligned([(name, str(opset)) for name, opset in sorted(manifest.opsets.items())])),
        ("sha256 of model.onnx", [manifest.sha256]),
    ]
    lines = [f"{manifest.reference}  {about.description} ({about.task}, {_size(manifest.size_bytes)})"]
    for title, content in sections:
        lines += ["", title, *(f"  {line}" for line in content)]
    return lines


def _row(store: Store, name: str) -> tuple[str, ...]:
    versions = store.versions(name)
    try:
        current = store.current(name)
        manifest = store.manifest(name, current)
    except UnknownModel:
        return name, "none", _others(versions), "", "", ""
    except BrokenEntry:  # ``verify`` says why; the other models are still worth listing
        return name, "broken", _others(versions), "", "", ""
    others = _others(version for version in versions if version != current)
    budget = f"{manifest.card.budget_ms:g} ms"
    return name, str(current), others, _accuracy(manifest), _size(manifest.size_bytes), budget


def _others(versions: Iterable[int]) -> str:
    return " ".join(map(str, versions)) or "-"


def _accuracy(manifest: Manifest) -> str:
    """The lowest, where there are several: on the training rows even a poor model looks good."""
    found = [metric.value for metric in manifest.card.metrics if "accuracy" in metric.name]
    return f"{min(found):.3f}" if found else "-"


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


def _parity(manifest: Manifest) -> Iterator[str]:
    parity = manifest.parity
    yield f"against {parity.oracle}; no probability differs by more than {parity.probability_bound:g}"
    table = [(k.kind, str(k.rows), str(k.label_mismatches), f"{k.max_abs_error:.2g}") for k in parity.kinds]
    yield from _aligned([("rows of kind", "rows", "label mismatches", "max error"), *table])


def _figures(manifest: Manifest) -> str:
    measured = manifest.measured
    return (
        f"one row p50 {measured.latency_p50_us:.1f} µs, p99 {measured.latency_p99_us:.1f} µs; "
        f"{measured.memory_bytes / 1e6:.2f} MB of memory"
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
