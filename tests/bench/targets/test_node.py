"""Fastify's packages: locked, public, and left out where they cannot be had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.errors import ToolMissing
from bench.targets import node
from bench.targets.node import LOCK, SOURCE, cache, installed
from bench.targets.roster import called, chosen
from bench.targets.shelf import Shelf


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which commands are found; empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def command(folder: Path, name: str, script: str) -> None:
    """A shell script in the place of a tool."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_the_lock_holds_every_package_by_its_digest() -> None:
    """Wherever npm is set up to take it from; the two that are asked for are exact."""
    packages = json.loads((SOURCE / LOCK).read_bytes())["packages"]
    wanted = packages.pop("")["dependencies"]
    assert not any("resolved" in package for package in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert set(wanted) == {"fastify", "onnxruntime-node"}


def test_without_node_it_is_left_out(tools: Path, shelf: Shelf) -> None:
    """With a line that says why; the others take part."""
    targets, left_out = called(chosen(["ours", "fastify"]), shelf)
    assert [target.name for target in targets] == ["ours"]
    assert left_out == {"fastify": "npm is not installed"}


def test_a_download_that_fails_is_told_and_leaves_nothing(tools: Path, shelf: Shelf) -> None:
    """No half of it is taken for the whole the next time."""
    command(tools, "npm", "echo 'no network' >&2; exit 1")
    _, left_out = called(chosen(["fastify"]), shelf)
    assert left_out == {"fastify": "npm ci failed: no network"}
    assert list(cache().iterdir()) == []


def test_a_download_that_hangs_is_ended(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time and no more."""
    monkeypatch.setattr(node, "INSTALL_S", 0.1)
    command(tools, "npm", f"exec {shutil.which('sleep', path='/bin:/usr/bin')} 60")
    with pytest.raises(ToolMissing, match=r"npm ci did not end within 0\.1 s"):
        installed(cache())


def test_packages_are_downloaded_once(tools: Path) -> None:
    """By the lock file, without running what they bring along, into the cache folder."""
    command(tools, "npm", 'echo "$@" > arguments; echo > node_modules')
    folder = installed(cache())
    assert "ci --ignore-scripts" in (folder / "arguments").read_text()
    assert (folder / LOCK).read_bytes() == (SOURCE / LOCK).read_bytes()
    assert [entry.name for entry in cache().iterdir()] == [folder.name]
    command(tools, "npm", "exit 1")
    assert installed(cache()) == folder
