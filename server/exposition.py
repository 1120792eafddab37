"""The counters as Prometheus text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.counters import (
    BUCKETS_S,
    DISAGREED,
    ENDPOINTS,
    KEYLESS,
    MAX_SERIES,
    SKIPPED,
    STATUSES,
    Counters,
)
from server.seen import Seen
from server.traffic import SHADOW, SPLIT


class Series(NamedTuple):
    """What is counted together."""

    labels: str
    seen: Seen


def exposition(counters: Counters, series: Sequence[str], generation: int, champion: str) -> str:
    """Prometheus text format 0.0.4, summed over workers."""
    used = _used(counters, series)
    served = [each for reference, each in used if not reference.endswith(SHADOW)]
    shadows = [each for reference, each in used if reference.endswith(SHADOW)]
    split = [each for reference, each in used if reference.endswith(SPLIT)]
    lines = [
        "# HELP mps_generation Generation that the answering worker serves.",
        "# TYPE mps_generation gauge",
        f"mps_generation {generation}",
        "# HELP mps_model_info The model that /predict answers with.",
        "# TYPE mps_model_info gauge",
        'mps_model_info{{model="{}",version="{}"}} 1'.format(*champion.split("@")),
        *_requests("mps_requests", "Prediction requests answered.", served),
        *_count("mps_rows", "Rows predicted.", served, lambda seen: seen.rows),
        *_latencies(served),
    ]
    if split:
        about = "Requests of a split without its sticky header."
        lines += _count("mps_split_keyless", about, split, lambda seen: seen.note(KEYLESS))
    if shadows:
        lines += _requests("mps_shadow_requests", "Copies of requests answered by a shadow.", shadows)
        lines += _count("mps_shadow_rows", "Rows that a shadow answered.", shadows, lambda seen: seen.rows)
        about = "Rows for which a shadow said something else."
        lines += _count("mps_shadow_disagreed_rows", about, shadows, lambda seen: seen.note(DISAGREED))
        about = "Requests that a shadow was spared for want of time."
        lines += _count("mps_shadow_skipped", about, shadows, lambda seen: seen.note(SKIPPED))
    return "\n".join(lines) + "\n"


def _used(counters: Counters, series: Sequence[str]) -> list[tuple[str, Series]]:
    """What was counted at all."""
    indices = {"@": 0, "other@": MAX_SERIES - 1}
    indices |= {reference: index for index, reference in enumerate(series[: MAX_SERIES - 2], 1)}
    found = []
    for reference, index in indices.items():
        if any(cells := counters.sums(index)):
            found.append((reference, Series(_labels(reference), Seen(cells))))
    return found


def _labels(reference: str) -> str:
    model, _, role = reference.partition(":")
    name, _, number = model.partition("@")
    said = f'model="{name}",version="{number}"'
    return f'{said},role="{role}"' if role == SPLIT[1:] else said


def _heading(metric: str, about: str, kind: str) -> list[str]:
    return [f"# HELP {metric} {about}", f"# TYPE {metric} {kind}"]


def _requests(metric: str, about: str, used: list[Series]) -> list[str]:
    lines = _heading(f"{metric}_total", about, "counter")
    for labels, seen in used:
        for endpoint, word in enumerate(ENDPOINTS):
            for position, status in enumerate(STATUSES):
                said = f'{labels},endpoint="{word}",status="{status}"'
                lines.append(f"{metric}_total{{{said}}} {seen.answers(endpoint, position)}")
    return lines


def _count(metric: str, about: str, used: list[Series], counted: Callable[[Seen], int]) -> list[str]:
    lines = _heading(f"{metric}_total", about, "counter")
    return lines + [f"{metric}_total{{{labels}}} {counted(seen)}" for labels, seen in used]


def _latencies(used: list[Series]) -> list[str]:
    metric = "mps_request_duration_seconds"
    lines = _heading(metric, "From body received to answer ready.", "histogram")
    for labels, seen in used:
        for endpoint, word in enumerate(ENDPOINTS):
            said, total = f'{labels},endpoint="{word}"', 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), seen.histogram(endpoint), strict=True):
                total += count
                lines.append(f'{metric}_bucket{{{said},le="{bound}"}} {total}')
            lines.append(f"{metric}_sum{{{said}}} {seen.elapsed_ns(endpoint) / 1e9}")
            lines.append(f"{metric}_count{{{said}}} {total}")
    return lines
