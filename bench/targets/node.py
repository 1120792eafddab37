"""Fastify, with its packages in a cache folder outside the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.errors import ToolMissing
from bench.targets.shelf import Shelf
from bench.targets.target import Foreign

SOURCE = Path(__file__).with_name("fastify")
LOCK = "package-lock.json"
INSTALL_S = 300


class Fastify(Foreign):
    """Node with Fastify: what is fast and still a framework."""

    name = "fastify"
    about = "Node, Fastify with schema validation, onnxruntime-node, the same model.onnx"

    def __init__(self, shelf: Shelf) -> None:
        """Install what it needs, unless it is there already.

        Raises:
            ToolMissing: there is no Node, or its packages cannot be had.
        """
        self._modules = installed(cache()) / "node_modules"
        environ = {"NODE_PATH": str(self._modules), "NODE_ENV": "production"}
        super().__init__([tool("node"), str(SOURCE / "server.js"), str(shelf.entry)], environ)

    @property
    def versions(self) -> dict[str, str]:
        """Of Node and of the two packages."""
        node = subprocess.run([tool("node"), "--version"], capture_output=True, text=True, check=True)
        names = ("fastify", "onnxruntime-node")
        files = {name: self._modules / name / "package.json" for name in names}
        packages = {name: str(json.loads(file.read_bytes())["version"]) for name, file in files.items()}
        return {"node": node.stdout.strip().removeprefix("v"), **packages}


def tool(name: str) -> str:
    """Full path of a command.

    Raises:
        ToolMissing: it is not installed.
    """
    found = shutil.which(name)
    if not found:
        raise ToolMissing(f"{name} is not installed")
    return found


def cache() -> Path:
    """Folder for what was downloaded."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mps-bench"


def installed(cache: Path) -> Path:
    """Folder with the locked packages; downloaded once for each state of the lock file.

    Raises:
        ToolMissing: npm is not installed, or did not succeed; with what it said.
    """
    own = folder(cache)
    if own.is_dir():
        return own
    npm = tool("npm")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as started:
        fresh = Path(started) / own.name
        fresh.mkdir()
        for name in ("package.json", LOCK):
            shutil.copy(SOURCE / name, fresh)
        # No scripts: onnxruntime-node's would download libraries for graphics cards.
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], fresh)
        if not own.is_dir():
            fresh.rename(own)  # complete, or not there at all
    return own


def folder(cache: Path) -> Path:
    """Where the packages of this state of the lock file belong."""
    return cache / f"fastify-{hashlib.sha256((SOURCE / LOCK).read_bytes()).hexdigest()[:16]}"


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip() or "(silent)"
        raise ToolMissing(f"npm ci failed: {said.splitlines()[0]}") from None
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"npm ci did not end within {INSTALL_S} s") from None
