"""The rows of a batch: by the quick reader where it takes them, else by the schema, else why not."""

from __future__ import annotations

import numpy as np

from server.diagnosis import diagnose_envelope, diagnose_slice
from server.errors import Fault, InvalidValues, TooLarge
from server.matrix import matrix_reader
from server.schema import REFUSALS, BadSlice, Schema, open_envelope
from server.session import Rows


class BatchReader:
    """Reads batches for one model. Safe to call from several threads."""

    def __init__(self, schema: Schema) -> None:
        """The quick reader takes models of floats only."""
        self._schema = schema
        self._quick = matrix_reader(schema.signature)

    def read(self, body: bytes, max_rows: int, slice_rows: int) -> tuple[list[Rows], int]:
        """The rows, checked, ``slice_rows`` together; and how many there are.

        Raises:
            RequestError: malformed, empty, more than ``max_rows``, or values that are not taken.
        """
        parts = self._quick.read(body, max_rows) if self._quick else None
        if parts is None:  # anything unusual, and anything wrong
            return self._read_any(body, max_rows, slice_rows)
        matrix = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return [matrix[start : start + slice_rows] for start in range(0, len(matrix), slice_rows)], len(
            matrix
        )

    def _read_any(self, body: bytes, max_rows: int, slice_rows: int) -> tuple[list[Rows], int]:
        try:
            rows = open_envelope(body).instances
            if not rows:
                raise InvalidValues([Fault("/instances", "'instances' is empty: expected one row or more")])
            if len(rows) > max_rows:
                raise TooLarge(f"expected at most {max_rows} rows, came {len(rows)}; send them in parts")
            return list(self._schema.many(rows, slice_rows)), len(rows)
        except BadSlice as refusal:
            raise diagnose_slice(self._schema, refusal) from None
        except REFUSALS as refusal:
            raise diagnose_envelope(self._schema, body, refusal) from None
