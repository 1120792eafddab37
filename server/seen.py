"""What the cells of one series say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from server.counters import BUCKETS_S, HISTOGRAM, NOTES, NOTES_AT, ROWS, STATUSES, TIME, WIDTH

OK, REFUSED, FAILED = range(len(STATUSES))


class Seen:
    """Answers counted in one series, of all workers: since the start, or since something."""

    def __init__(self, cells: Sequence[int], since: Sequence[int] = ()) -> None:
        """``since`` is taken off: what the same cells were at that time."""
        self._cells = [now - then for now, then in zip(cells, since, strict=True)] if since else cells

    def answers(self, endpoint: int, status: int) -> int:
        """Of an endpoint, by position in ``STATUSES``."""
        return self._cells[endpoint * len(STATUSES) + status]

    def with_status(self, status: int) -> int:
        """Of both endpoints."""
        return sum(self._cells[status : ROWS : len(STATUSES)])

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self._cells[:ROWS])

    @property
    def rows(self) -> int:
        """Rows of all answers with status 200."""
        return self._cells[ROWS]

    def elapsed_ns(self, endpoint: int) -> int:
        """Of all answers together."""
        return self._cells[TIME + endpoint]

    def histogram(self, endpoint: int) -> Sequence[int]:
        """Answers by time taken: in each of ``BUCKETS_S``, and above the last."""
        start = HISTOGRAM + endpoint * WIDTH
        return self._cells[start : start + WIDTH]

    def note(self, which: int) -> int:
        """One of ``NOTES``."""
        assert 0 <= which < len(NOTES)
        return self._cells[NOTES_AT + which]

    def at_most_ms(self, endpoint: int, percent: float) -> float | None:
        """A bound of the percentile: that of its bucket. None: nothing was seen, or it has no bound."""
        histogram = self.histogram(endpoint)
        rank, reached = math.ceil(sum(histogram) * percent / 100), 0
        for bound, count in zip(BUCKETS_S, histogram[:-1], strict=True):
            reached += count
            if rank and reached >= rank:
                return bound * 1000
        return None

    def slower(self, endpoint: int, limit_ms: float) -> int:
        """Answers that surely took longer; of those in the bucket of the limit itself nobody knows."""
        lower = (0.0, *BUCKETS_S)
        counts = zip(lower, self.histogram(endpoint), strict=True)
        return sum(count for bound, count in counts if bound * 1000 >= limit_ms)
