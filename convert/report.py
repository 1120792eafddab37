"""What the workshop tells a person."""

from __future__ import annotations

from pathlib import Path

from registry.manifest import Manifest
from registry.promotion import Promoted
from registry.report import parity_table


def proof(manifest: Manifest) -> str:
    """What was compared and how it went, and what the graph costs."""
    measured = manifest.measured
    lines = [f"{manifest.name}:"]
    lines += [f"  {line}" for line in parity_table(manifest.parity)]
    lines.append(
        f"  one row: {measured.latency_p50_us:.1f} µs (p99 {measured.latency_p99_us:.1f} µs); "
        f"{manifest.size_bytes} bytes; {measured.memory_bytes / 1e6:.2f} MB per session"
    )
    if manifest.parity.inexact:
        lines.append(f"  NOT EXACT: {manifest.parity.inexact}")
    return "\n".join(lines)


def outcome(reference: str, new: bool, promoted: str = "") -> str:
    """One line per published model; ``promoted`` is the ``state`` of its promotion."""
    words = ["new" if new else "unchanged"] + ([promoted] if promoted else [])
    return f"{reference} {', '.join(words)}"


def state(promoted: Promoted) -> str:
    """What a promotion came to."""
    if promoted.verdict is None:
        return "current already"
    overruled = f" although it {promoted.verdict.summary}: {promoted.forced}" if promoted.forced else ""
    return f"promoted{overruled}"


def next_command(references: list[str], registry: Path, default: Path, promoted: bool) -> str:
    """What to type now."""
    where = "" if registry.resolve() == default.resolve() else f"--registry {registry} "
    if not promoted:
        return "\n".join(f"next: mps models {where}promote {reference}" for reference in references)
    name = references[0].partition("@")[0]
    return f"next: mps serve {where}--model {name}"
