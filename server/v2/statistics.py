"""``GET /v2/models/{name}/stats``: the protocol's requests, over all workers, since the start."""

from __future__ import annotations

from typing import Any

from server.counters import (
    EXECUTIONS,
    FAILED_NS,
    INFER,
    INFER_NS,
    INFERRED_ROWS,
    INPUT_NS,
    LATEST_MS,
    OUTPUT_NS,
    QUEUE_NS,
    Counters,
)
from server.plan import PlannedModel
from server.seen import FAILED, OK, REFUSED, Seen

NONE = {"count": 0, "ns": 0}


def statistics(planned: PlannedModel, counters: Counters) -> dict[str, Any]:
    """Of one loaded version."""
    seen = Seen(counters.sums(planned.series))
    succeeded = seen.answers(INFER, OK)
    failed = seen.answers(INFER, REFUSED) + seen.answers(INFER, FAILED)
    parts_ns = [seen.note(which) for which in (QUEUE_NS, INPUT_NS, INFER_NS, OUTPUT_NS)]
    queue, compute_input, compute_infer, compute_output = (
        {"count": succeeded, "ns": part_ns} for part_ns in parts_ns
    )
    return {
        "name": planned.name,
        "version": str(planned.version),
        "last_inference": seen.note(LATEST_MS),
        "inference_count": seen.note(INFERRED_ROWS),
        "execution_count": seen.note(EXECUTIONS),
        "inference_stats": {
            "success": {"count": succeeded, "ns": sum(parts_ns)},
            "fail": {"count": failed, "ns": seen.note(FAILED_NS)},
            "queue": queue,
            "compute_input": compute_input,
            "compute_infer": compute_infer,
            "compute_output": compute_output,
            "cache_hit": NONE,
            "cache_miss": NONE,
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }
