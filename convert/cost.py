"""What exactness costs: the exact graph beside the usual one, call by call in turns, in one run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.coding import Matrix
from server.session import Session

CALLS, WARM_UP = 3_000, 200
BATCH_ROWS, BATCH_CALLS = 256, 400


def ratios(exact: Session, usual: Session, rows: Matrix) -> tuple[float, float]:
    """Time of the exact graph divided by that of the usual one, for one row and for 256: medians of calls.

    Only the sessions are timed, on arrays that were made beforehand. The two take turns call by call, as a
    server is never in the state of having done nothing else but one of them.
    """
    batch = np.resize(rows, (BATCH_ROWS, rows.shape[1]))
    return _ratio((exact, usual), batch[:1], CALLS), _ratio((exact, usual), batch, BATCH_CALLS)


def _ratio(sessions: tuple[Session, Session], rows: Matrix, calls: int) -> float:
    feeds = [session.feed(rows) for session in sessions]
    taken = np.empty((WARM_UP + calls, 2))
    for call in range(len(taken)):
        for number in (0, 1):
            taken[call, number] = _once(sessions[number], feeds[number])
    exact, usual = np.median(taken[WARM_UP:], axis=0)
    return float(exact / usual)


def _once(session: Session, feed: dict[str, NDArray[Any]]) -> int:
    started = time.perf_counter_ns()
    session.answers(feed)
    return time.perf_counter_ns() - started
