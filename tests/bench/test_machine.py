"""Where something was measured, and how it is laid out."""

from __future__ import annotations

import platform

from bench.columns import columns
from bench.machine import processor, this_machine


def test_the_processor_is_named() -> None:
    """By the kernel's first model name; where there is none, by its architecture."""
    assert processor("vendor_id\t: A\nmodel name\t: A CPU: fast\nmodel name\t: B\n") == "A CPU: fast"
    assert processor("") == platform.machine()


def test_the_machine_fits_on_one_line() -> None:
    """Processor, cores, system, Python and the packages' versions."""
    machine = this_machine()
    line = str(machine)
    assert "\n" not in line
    assert f"Python {platform.python_version()}" in line
    assert all(f"{name} {number}" in line for name, number in machine.packages.items())


def test_columns_are_aligned() -> None:
    """A Markdown table that reads well as plain text."""
    assert columns(["a", "ms"], [["long", "1.00"], ["b", "10.00"]]) == (
        "| a    |    ms |\n| ---- | ----: |\n| long |  1.00 |\n| b    | 10.00 |\n"
    )
