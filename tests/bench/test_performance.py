"""The README's section on performance: from the files, and held against them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.options import RESULTS
from bench.page import PERFORMANCE, begin, end, read_block

FILES = ("compare.json", "parse.json", "open-loop.json", "switch.json", "footprint.json")
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of what was measured."""
    for name in FILES:
        shutil.copy(ROOT / RESULTS / name, tmp_path)
    return tmp_path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with an empty section."""
    path = tmp_path / "README.md"
    path.write_text(f"before {begin(PERFORMANCE)}{end(PERFORMANCE)} after", "utf-8")
    return path


def test_the_section_says_what_the_files_say(
    results: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written, agreed with, and no longer agreed with after somebody edits a figure."""
    out = ["--out", str(results)]
    assert main(["page", *out, "--readme", str(page)]) == 0
    block = read_block(page, PERFORMANCE)
    assert all(json.loads((results / name).read_bytes())["command"] in block for name in FILES)
    assert main(["page", *out, "--check", str(page)]) == 0
    page.write_text(page.read_text("utf-8").replace("at least 1.3", "at least 1.2"), "utf-8")
    assert main(["page", *out, "--check", str(page)]) == 1
    assert f"run: mps bench page --readme {page}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "{}", "nothing"])
def test_a_file_that_cannot_be_read_is_named(
    results: Path, page: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Absent, or something else."""
    file = results / "parse.json"
    file.write_text(content) if content else file.unlink()
    assert main(["page", "--out", str(results), "--readme", str(page)]) == 1
    assert "parse.json" in capsys.readouterr().err
