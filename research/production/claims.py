"""The claims on latency and memory, each for the library and for the graph."""

from __future__ import annotations

from research.claims import rules
from research.claims.claim import Claim
from research.production.measured import Cost, Measured

LATENCY_MS = {
    "heuristic": ("below", 1.0),
    "decision_tree": ("below", 1.0),
    "random_forest": ("about", 2.0),
    "xgboost": ("about", 3.0),
}
MEMORY_MB = {"heuristic": 10.0, "decision_tree": 15.0, "random_forest": 50.0, "xgboost": 75.0}
FORMS = {"native": "in its library", "onnx": "as ONNX"}


def claims(measured: Measured) -> list[Claim]:
    """Every claim on latency, then every one on memory."""
    costs = [
        (each.name, words, getattr(each, form)) for each in measured.models for form, words in FORMS.items()
    ]
    return [_latency(*each) for each in costs] + [_memory(*each) for each in costs]


def _latency(name: str, form: str, cost: Cost) -> Claim:
    sort, claimed = LATENCY_MS[name]
    if sort == "below":
        verdict, rule = rules.below(claimed, cost.p50_ms, cost.p99_ms), rules.BELOW
    else:
        verdict, rule = rules.about(claimed, cost.p50_ms), rules.ABOUT
    times = cost.p50_ms / claimed
    why = "below it" if times < 1 else "above it"
    return Claim(
        claim=f"latency of {name}: {sort} {claimed:g} ms, {form}",
        verdict=verdict,
        found=f"p50 {cost.p50_ms:.3f} ms, p99 {cost.p99_ms:.3f} ms",
        rule=rule,
        why=f"the median is {why}, at {times:.0%} of what was claimed" if times < 10 else
        f"the median is {times:.0f} times what was claimed",
    )  # fmt: skip


def _memory(name: str, form: str, cost: Cost) -> Claim:
    claimed, found = MEMORY_MB[name], cost.memory
    verdict = rules.memory(claimed, (found.model_mb, found.with_library_mb, found.process_mb))
    why = {
        "holds": "each way of counting comes near it",
        "depends": "one way of counting comes near it, the others do not",
        "does not hold": "no way of counting comes near it: the library weighs more than the model",
    }[verdict]
    return Claim(
        claim=f"memory of {name}: {claimed:g} MB, {form}",
        verdict=verdict,
        found=f"model {found.model_mb:.1f} MB, with its library {found.with_library_mb:.1f} MB, "
        f"whole process {found.process_mb:.1f} MB",
        rule=rules.MEMORY,
        why=why,
    )
