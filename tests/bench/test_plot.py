"""Plots."""

from __future__ import annotations

from pathlib import Path

from bench.plot import Panel, curves, panels, save
from bench.spread import Spread

SPREADS = {"ours": Spread(12_345, 12_000, 13_000), "theirs": Spread(6.5, 6, 7)}


def drawn(file: Path) -> str:
    save(
        panels(
            [Panel("Speed", "answers a second", SPREADS), Panel("Wait", "ms", {"third": SPREADS["ours"]})]
        ),
        file,
    )
    return file.read_text("utf-8")


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    """No date, no random ids: a plot that did not change shows no difference."""
    first, second = drawn(tmp_path / "a.svg"), drawn(tmp_path / "b.svg")
    assert first == second
    assert "<dc:date>" not in first


def test_what_is_shown_is_named(tmp_path: Path) -> None:
    """Everybody on any panel, with units and figures."""
    text = drawn(tmp_path / "a.svg")
    for words in ("Speed", "Wait", "answers a second", "ms", "ours", "theirs", "third", "12,345", "6.5"):
        assert f">{words}</text>" in text


def test_curves_have_units_and_a_legend(tmp_path: Path) -> None:
    """A line for each series."""
    save(
        curves("connections", "answers a second", {"one": {1: SPREADS["ours"], 16: SPREADS["theirs"]}}),
        tmp_path / "c.svg",
    )
    text = (tmp_path / "c.svg").read_text("utf-8")
    for words in ("connections", "answers a second", "one", "16"):
        assert f">{words}</text>" in text
