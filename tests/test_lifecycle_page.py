"""``docs/lifecycle.md`` says what the commands and the gates do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from registry.arguments import parser
from registry.gates import MAX_SIZE_MB, MODEL_SHARE
from registry.history import MAX_STEPS

PAGE = (Path(__file__).parent.parent / "docs" / "lifecycle.md").read_text("utf-8")


def test_every_command_of_the_page_is_one() -> None:
    """Each line is taken by the command's own parser; the other commands are those of the README."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 5
    known = Path(__file__).parent.parent.joinpath("README.md").read_text("utf-8")
    for line in lines:
        words = shlex.split(line.replace("VERSION", "1"), comments=True)
        if words[:2] == ["mps", "models"]:
            assert parser().parse_args(words[2:]).command == words[2]
        else:
            assert f".venv/bin/{line}\n" in known


def test_the_figures_are_those_of_the_gates() -> None:
    """A limit that changes there changes here."""
    assert f"at most {MAX_SIZE_MB:g} MB (10^6 bytes)" in PAGE
    assert MODEL_SHARE == 0.5
    assert "at most half of the card's `budget_ms`" in PAGE
    assert f"The last {MAX_STEPS:,} are kept." in PAGE
