"""Arrays of numbers as JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from server.jsonarray import PIECE, written


@pytest.mark.parametrize(
    "shape",
    [
        (0,),
        (0, 3),
        (1, 3),
        (PIECE - 1,),
        (PIECE,),
        (PIECE + 1,),
        (PIECE, 3),
        (2, PIECE + 1),
        (3 * PIECE // 7 + 1, 7),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_it_is_the_json_of_the_whole(shape: tuple[int, ...], dtype: type) -> None:
    """Wherever a piece ends, and whatever is longer than one."""
    numbers: NDArray[Any] = (np.arange(np.prod(shape)).reshape(shape) / 7).astype(dtype)
    assert written(numbers) == json.dumps(numbers.tolist(), separators=(",", ":")).encode()


def test_no_piece_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what they are for."""
    honest, sizes = msgspec.json.encode, []

    def encode(rows: list[list[float]]) -> bytes:
        sizes.append(sum(map(len, rows)))
        return honest(rows)

    monkeypatch.setattr(msgspec.json, "encode", encode)
    written(np.zeros((10_000, 3)))
    assert sum(sizes) == 30_000
    assert max(sizes) <= PIECE


def test_what_json_has_no_word_for() -> None:
    """It is null, as msgspec has it."""
    assert written(np.array([np.nan, 1.5])) == b"[null,1.5]"
