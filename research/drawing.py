"""Plain plots as SVG files, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

FIXED: dict[Any, Any] = {"svg.hashsalt": "mps-research", "svg.fonttype": "none", "axes.unicode_minus": False}
"""Ids from the content and not by chance; text as text, so that no font's outline is in the file."""


def draw(make: Callable[[], Figure], file: Path) -> Path:
    """Make a figure with fixed settings and write it as SVG without a date."""
    with matplotlib.style.context(FIXED, after_reset=True):
        make().savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file
