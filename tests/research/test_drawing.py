"""Plots are the same bytes for the same figures."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from research.drawing import draw


def figure() -> Figure:
    """One line, with a legend."""
    made = Figure()
    axes = made.subplots()
    axes.plot([1, 2], [3, -4], label="a line")
    axes.legend()
    return made


def test_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another day, and with settings of the user's own."""
    first = draw(figure, tmp_path / "first.svg").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    with plt.rc_context({"font.size": 30, "svg.hashsalt": "mine"}):
        assert draw(figure, tmp_path / "second.svg").read_bytes() == first
    assert b"a line" in first
    assert b"<dc:date>" not in first
