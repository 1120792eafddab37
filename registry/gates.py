"""What a version must meet before it is served: quality, parity, latency, size.

Judged by what the manifests say, so that the verdict needs neither the model nor a runtime, and is the same
wherever it is asked for. A gate that cannot judge does not pass.
"""

from __future__ import annotations

import msgspec

from registry.manifest import Manifest, Metric
from registry.verdict import Gate, Verdict

MODEL_SHARE = 0.5
"""Of ``Card.budget_ms``, for one row in process at p99. The other half is for HTTP, for waiting behind others
and for slower machines: at p99 these take far more than a small model does (``mps bench table``)."""
MAX_SIZE_MB = 256.0
"""10^6 bytes of ``model.onnx``."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed, where neither the card nor the champion says it."""

    max_size_mb: float = MAX_SIZE_MB


def judge(
    candidate: Manifest, champion: Manifest | None, limits: Limits | None = None, unknown: str = ""
) -> Verdict:
    """Hold a version against the champion, its own proof, its budget and the limits.

    Args:
        candidate: what may become current.
        champion: what is current, or is to be compared with. None: there is none.
        limits: None: the defaults.
        unknown: why the champion cannot be read; the quality then cannot be judged.
    """
    gates = (
        _unread(unknown) if unknown else _quality(candidate, champion),
        _parity(candidate),
        _latency(candidate),
        _size(candidate, limits or Limits()),
    )
    return Verdict(champion=champion.reference if champion else "", gates=gates)


def main_metric(manifest: Manifest) -> Metric | None:
    """The accuracy or r2 that stands for a version: rather one with an interval, rather not one of the
    training rows, and of several the lowest."""
    sort = "accuracy" if manifest.signature.classes else "r2"
    found = [metric for metric in manifest.card.metrics if sort in metric.name]
    return min(found, key=lambda m: (m.low is None, "training" in m.name, m.value), default=None)


def _unread(reason: str) -> Gate:
    return Gate(name="quality", passed=False, found=reason, allowed="a champion that can be read")


def _quality(candidate: Manifest, champion: Manifest | None) -> Gate:
    if champion is None:
        metric = main_metric(candidate)
        found = "no quality was measured" if metric is None else f"{metric.name} {metric.value:.4f}"
        return Gate(name="quality", passed=True, found=found, allowed="any: there is no champion yet")
    best = main_metric(champion)
    if best is None:
        reason = f"the champion {champion.reference} has no measured quality"
        return _incomparable(reason)
    floor, allowed = _floor(champion, best)
    mine = next((metric for metric in candidate.card.metrics if metric.name == best.name), None)
    if mine is None:
        return _incomparable(f"the candidate has no {best.name}", allowed)
    # A model is trained again because there are other rows: that is no reason to refuse it, but to say so.
    where = "" if _same_data(candidate, champion) else ", on other training data than the champion's"
    found = f"{mine.name} {mine.value:.4f}{where}"
    return Gate(name="quality", passed=mine.value >= floor, found=found, allowed=allowed)


def _floor(champion: Manifest, best: Metric) -> tuple[float, str]:
    """The lowest value that passes, and the words for it."""
    if best.low is None:
        words = f"the {best.name} of {champion.reference}, which has no interval"
        return best.value, f"at least {best.value:.4f}: {words}"
    return best.low, f"at least {best.low:.4f}: low end of the 95 % interval of {champion.reference}"


def _same_data(one: Manifest, other: Manifest) -> bool:
    digest = one.card.training_data.sha256
    return bool(digest) and digest == other.card.training_data.sha256


def _incomparable(reason: str, allowed: str = "a champion with an accuracy or r2") -> Gate:
    return Gate(name="quality", passed=False, found=f"not comparable: {reason}", allowed=allowed)


def _parity(candidate: Manifest) -> Gate:
    parity = candidate.parity
    rows = sum(kind.rows for kind in parity.kinds)
    wrong = sum(kind.label_mismatches for kind in parity.kinds)
    bound = parity.bound
    within = all(kind.max_ulp <= bound.ulp or kind.max_abs_error <= bound.absolute for kind in parity.kinds)
    found = f"{rows} rows, {wrong} label mismatches, {'within' if within else 'beyond'} the bound"
    if parity.inexact:
        found = f"published though not exact: {parity.inexact}"
    return Gate(
        name="parity",
        passed=rows > 0 and not wrong and within and not parity.inexact,
        found=found,
        allowed=f"no label mismatch, {bound.words}",
    )


def _latency(candidate: Manifest) -> Gate:
    p99_us, budget_ms = candidate.measured.latency_p99_us, candidate.card.budget_ms
    most_us = MODEL_SHARE * budget_ms * 1000
    return Gate(
        name="latency",
        passed=0 < p99_us <= most_us,
        found=f"p99 {p99_us:.1f} µs for one row in process" if p99_us else "not measured",
        allowed=f"at most {most_us:g} µs, {MODEL_SHARE:.0%} of the budget of {budget_ms:g} ms",
    )


def _size(candidate: Manifest, limits: Limits) -> Gate:
    size_mb = candidate.size_bytes / 1e6
    found = f"{size_mb:.6g} MB" if size_mb >= 1 else f"{size_mb * 1000:.6g} kB"
    return Gate(
        name="size",
        passed=size_mb <= limits.max_size_mb,
        found=found,
        allowed=f"at most {limits.max_size_mb:g} MB",
    )
