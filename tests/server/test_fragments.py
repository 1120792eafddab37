"""Pieces of answers for many rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fragments import MOST_PIECES, Fragments


@given(
    st.integers(1, 40).flatmap(
        lambda classes: st.tuples(st.just(classes), st.lists(st.integers(0, classes - 1), max_size=60))
    ),
    st.sampled_from([b",", b""]),
)
def test_it_is_a_plain_join(labels: tuple[int, list[int]], comma: bytes) -> None:
    """Whatever the number of classes and of rows."""
    classes, indices = labels
    fragments = [b"<%d>" % number for number in range(classes)]
    expected = comma.join([fragments[index] for index in indices])
    assert Fragments(fragments, comma).joined(np.array(indices, np.int64)) == expected


@pytest.mark.parametrize(
    ("classes", "together"), [(1, 8), (2, 8), (3, 6), (10, 3), (32, 2), (33, 1), (5000, 1)]
)
def test_the_pieces_stay_few(classes: int, together: int) -> None:
    """Of many classes, each row is looked up by itself."""
    fragments = Fragments([b"x"] * classes, b",")
    assert fragments._together == together
    assert len(fragments._pieces) <= max(MOST_PIECES, classes)
