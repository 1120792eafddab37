"""Costs, the Pareto front and the recommendation as a page."""

from __future__ import annotations

from collections.abc import Sequence

from research.claims.claim import Claim
from research.claims.page import claim_table, rule_list
from research.markdown import between, table
from research.production.choice import Contender, front, recommendations
from research.production.measured import Measured
from research.study.results import Results

HEADINGS = (
    "model",
    "accuracy (leave-one-out)",
    "Brier score",
    "library p50 ms",
    "ONNX p50 ms",
    "served p50 / p99 ms",
    "library file / MB alone",
    "ONNX file / MB alone / MB of one more",
    "parity: rows, labels wrong, worst number",
    "interpretability",
)


def cost_table(found: Sequence[Contender]) -> str:
    """Everything about every model in one line each."""
    return table(HEADINGS, [_row(each) for each in found])


def choice_table(found: Sequence[Contender], done: Sequence[Results]) -> str:
    """When to use which."""
    return table(["wanted", "take", "why"], recommendations(found, done))


def page(
    measured: Measured, found: Sequence[Contender], claims: Sequence[Claim], done: Sequence[Results]
) -> str:
    """The whole report in Markdown; ``done``: the study of iris, then all others."""
    best = ", ".join(front(found))
    parts = [
        "# What each model costs",
        "Written by `mps research measure` from [measured.json](../../results/measured.json), which is kept "
        "while models, machine and versions are the same, the study of [iris](../iris/report.md), the "
        "manifests of the registry, and `bench/results/models.json` (`mps bench table`).",
        cost_table(found),
        f"- Library and ONNX: one row in process, the quietest of five rounds, {measured.machine}.\n"
        f"- Served: one JSON row over HTTP, {measured.served_on}.\n"
        "- MB alone: growth of a fresh process from its library being there to the first answer, which sets "
        "up the runtime, too. MB of one more: a further session in the same process, from the manifest.",
        "![pareto](pareto.svg)",
        f"No other is both at least as accurate and at least as fast: {best}. The intervals overlap, so the "
        "order from left to right counts for little, and the heights for less.",
        "## When to use which",
        choice_table(found, done),
        "## What was claimed of latency and memory",
        claim_table(claims),
        rule_list(claims),
    ]
    return "\n\n".join(parts) + "\n"


def _row(each: Contender) -> list[str]:
    cost, score = each.cost, each.accuracy
    brier = each.result.calibration.brier if each.result.calibration else None
    return [
        each.name,
        between(score.value, score.low, score.high),
        between(brier.value, brier.low, brier.high, False) if brier else "-",
        f"{cost.native.p50_ms:.3f}",
        f"{cost.onnx.p50_ms:.3f}",
        f"{cost.served.p50_ms:.2f} / {cost.served.p99_ms:.2f}",
        f"{cost.native.file_kb:.1f} kB / {cost.native.memory.model_mb:.1f}",
        f"{cost.onnx.file_kb:.1f} kB / {cost.onnx.memory.model_mb:.1f} / {cost.another_mb:.2f}",
        f"{cost.parity_rows:,}, {cost.label_mismatches}, {cost.max_abs_error:.2g}",
        each.result.interpretability,
    ]
