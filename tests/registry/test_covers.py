"""The text in which the rows at each leaf travel inside a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from registry import covers


def test_what_is_written_is_read() -> None:
    """Trees, their copies, their leaves; whole numbers without a point, float32 in their own few digits."""
    trees: list[list[Any]] = [[np.array([50.0, 99.5]), [50, 1]], [np.array([0.1, 1e-16], np.float32)]]
    text = covers.write(trees)
    assert text == "50 99.5|50 1;0.1 1e-16"
    assert covers.read(text) == [[[50.0, 99.5], [50.0, 1.0]], [[0.1, 1e-16]]]


@pytest.mark.parametrize("text", ["", "1 x", "1  2", "1;;2"])
def test_what_is_no_such_text(text: str) -> None:
    """Is told."""
    with pytest.raises(ValueError, match="float"):
        covers.read(text)
