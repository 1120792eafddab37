"""What the workshop tells a person."""

from __future__ import annotations

from pathlib import Path

from registry.manifest import Manifest

ROW = "  {:<12} {:>8} {:>11} {:>12}"


def parity_table(manifest: Manifest) -> str:
    """Rows per kind, label mismatches and the largest error of a probability."""
    lines = [f"{manifest.name}: against {manifest.parity.oracle}"]
    lines.append(ROW.format("rows of kind", "rows", "mismatches", "max error"))
    for kind in manifest.parity.kinds:
        error = f"{kind.max_abs_error:.2g}"
        lines.append(ROW.format(kind.kind, kind.rows, kind.label_mismatches, error))
    measured = manifest.measured
    lines.append(
        f"  one row: {measured.latency_p50_us:.1f} µs (p99 {measured.latency_p99_us:.1f} µs); "
        f"{manifest.size_bytes} bytes; {measured.memory_bytes / 1e6:.2f} MB per session"
    )
    return "\n".join(lines)


def outcome(reference: str, new: bool, promoted: bool) -> str:
    """One line per published model."""
    words = ["new" if new else "unchanged"] + (["promoted"] if promoted else [])
    return f"{reference} {', '.join(words)}"


def next_command(references: list[str], registry: Path, default: Path, promoted: bool) -> str:
    """What to type now."""
    where = "" if registry.resolve() == default.resolve() else f"MPS_REGISTRY={registry} "
    if not promoted:
        return "\n".join(f"next: {where}mps models promote {reference}" for reference in references)
    name = references[0].partition("@")[0]
    return f"next: {where}MPS_MODEL_TYPE={name} mps serve"
