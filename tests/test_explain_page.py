"""Every block of ``docs/explain.md`` runs, and prints what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.process import ServerProcess
from server.explanation.document import MOST_TREES, Document
from server.explanation.explainer import MAX_MODEL_BYTES
from server.explanation.forest import MAX_CELLS, MAX_DEPTH
from server.explanation.picture import MOST_NODES

PAGE = (Path(__file__).parent.parent / "docs" / "explain.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```sh\n(.*?)```\n\n```(?:json|text)\n(.*?)```", PAGE, re.DOTALL)
"""Script, and what it prints."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """As it starts by itself."""
    with ServerProcess() as running:
        yield running


def test_no_block_is_left_out() -> None:
    """Each is followed by what it prints."""
    assert len(BLOCKS) == PAGE.count("```sh\n") == 2


@pytest.mark.parametrize("at", range(len(BLOCKS)))
def test_a_block_prints_what_is_shown(server: ServerProcess, at: int) -> None:
    """Word for word; the last digits of a float are another processor's affair."""
    script, shown = BLOCKS[at]
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if shown.startswith("{"):
        assert rounded(json.loads(done.stdout)) == rounded(json.loads(shown))
        assert list(json.loads(done.stdout)) == list(json.loads(shown))
    else:
        assert done.stdout.strip() == shown.strip()


def rounded(told: Any) -> Any:
    """Every float to nine digits."""
    if isinstance(told, dict):
        return {name: rounded(value) for name, value in told.items()}
    if isinstance(told, list):
        return [rounded(value) for value in told]
    return round(told, 9) if isinstance(told, float) else told


def test_every_field_is_in_the_table() -> None:
    """And every limit is the one that is kept."""
    cells = re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == set(Document.__struct_fields__)
    plain = PAGE.replace("\n", " ")
    for limit in (
        f"above {MAX_MODEL_BYTES >> 20} MiB",
        f"{MAX_CELLS:,} leaves times depth, paths of more than {MAX_DEPTH} splits",
        f"of up to {MOST_NODES} nodes",
        f"of the first {MOST_TREES} the leaf",
    ):
        assert limit in plain, limit


def test_the_pictures_are_there() -> None:
    """Those that the page shows."""
    for name in re.findall(r"!\[.*?\]\((.*?)\)", PAGE):
        assert (Path(__file__).parent.parent / "docs" / name).is_file()
