"""Every block of ``docs/v2.md`` runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.process import ServerProcess
from server.v2.metadata import EXTENSIONS
from tests import kserve_client
from tests.end_to_end.test_serving import free_port

pytestmark = pytest.mark.usefixtures("untraced")
PAGE = (Path(__file__).parent.parent / "docs" / "v2.md").read_text("utf-8")
BLOCKS: list[tuple[str, str, str]] = re.findall(
    r"```(sh|python)\n(.*?)```\n\n```(?:json|text)\n(.*?)```", PAGE, re.DOTALL
)
"""Language, script, and what it prints."""
HOST = "127.0.0.1"
GRPC_PORT = free_port()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """With a port for gRPC, and else as it starts by itself."""
    with ServerProcess(workers=2, grpc_port=GRPC_PORT) as running:
        yield running


def test_no_block_is_left_out() -> None:
    """Each is followed by what it prints."""
    assert len(BLOCKS) == len(re.findall(r"```(?:sh|python)\n", PAGE)) >= 6


@pytest.mark.parametrize("at", range(len(BLOCKS)))
def test_a_block_prints_what_is_shown(server: ServerProcess, tmp_path: Path, at: int) -> None:
    """Word for word, on a real server."""
    language, script, shown = BLOCKS[at]
    environ = {**os.environ, "MPS_ADMIN_TOKEN": server.token, "PYTHONPATH": str(tmp_path)}
    if "kserve" in script:
        kserve_client.install(tmp_path)
    command = ["sh", "-c"] if language == "sh" else [sys.executable, "-c"]
    for here, there in ((8000, server.port), (8001, GRPC_PORT)):
        script = script.replace(f"{HOST}:{here}", f"{HOST}:{there}")
    done = subprocess.run([*command, script], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == shown.strip()


def test_the_extensions_are_those_that_are_advertised() -> None:
    """All of them, and no others."""
    found = re.search(r"Advertised extensions: (.*?)\. Not there", PAGE, re.DOTALL)
    assert found
    assert set(re.findall(r"`(\w+)`", found[1])) == set(EXTENSIONS)
