"""Tables and figures as they stand in pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from research.markdown import between, markers, put, table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """And no narrower than Markdown wants a rule to be."""
    assert table(["a", "b"], [["1", "long"], ["22", ""]]) == (
        "| a  | b    |\n| --- | ---- |\n| 1  | long |\n| 22 |      |"
    )


def test_figures_with_and_without_an_interval() -> None:
    """Shares in percent, others in three digits."""
    assert between(0.96, 0.915, 0.9815) == "96.0 % [91.5, 98.2]"
    assert between(0.96, None, None) == "96.0 %"
    assert between(0.4912, 0.4, 0.5552, False) == "0.491 [0.4, 0.555]"
    assert between(44.17, None, None, False) == "44.2"


def test_put_changes_one_place() -> None:
    """Another block of the page stays; a place that is not there, or not closed, is told."""
    begin, end = markers("one")
    text = f"a\n{begin}\nold\n{end}\nb"
    assert put(Path("page.md"), text, "one", "new") == f"a\n{begin}\nnew\n{end}\nb"
    with pytest.raises(
        ValueError, match=r"page.md has no place for the figures; expected the lines '<!-- two"
    ):
        put(Path("page.md"), text, "two", "new")
    with pytest.raises(ValueError, match="has no place"):
        put(Path("page.md"), begin, "one", "new")
