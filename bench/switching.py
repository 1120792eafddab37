"""``mps bench switch``: every answer is right and in time while the model is switched under load."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.errors import BenchError, LoadFailed
from bench.findings import publish_drawn
from bench.load.cores import Cores, pinned, split
from bench.load.driver import drive
from bench.load.spec import Exchange, Load
from bench.machine import this_machine
from bench.options import Commands, add_out, add_settings, count, positive
from bench.process import ServerProcess
from bench.steadiness import Steadiness, Watched, phase
from bench.switcher import Change, Switcher
from bench.timeline import timeline
from registry.store import Store
from server.model import Model
from server.settings import SHIPPED_REGISTRY

MODELS = ("heuristic", "decision_tree", "random_forest", "xgboost")
ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
"""Near the border of two classes: each model has probabilities of its own for it."""
PATH = "/predict?probabilities=true"
LARGE, GROWER, GROW_S = "large", "bench.targets.large", 300
FRESH_SHARE = 3
"""One connection of so many is opened anew for each request."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "switch",
        help="switch models under load: no answer wrong, missing, of an older generation, or late",
        description="Asks a real server at a fixed rate while its model is switched again and again, and "
        "holds every answer against the switches that were acknowledged before it was asked for. Writes "
        "switch.json, switch.md and, as a timeline, switch.svg. Exits with 1 when an answer was wrong or "
        "missing, or the p99 is over the budget.",
    )
    add_out(parser)
    add_settings(parser)
    parser.add_argument("--workers", type=count, default=3, metavar="N", help="server processes (default: 3)")
    parser.add_argument(
        "--connections",
        type=count,
        default=48,
        metavar="N",
        help="one in three is opened anew for each request (default: 48)",
    )
    parser.add_argument("--rate", type=positive, default=300.0, metavar="R", help="requests/s (300)")
    parser.add_argument("--seconds", type=positive, default=120.0, metavar="S", help="measured (120)")
    parser.add_argument("--warm-up", type=positive, default=2.0, metavar="S", help="seconds before (2)")
    parser.add_argument(
        "--every",
        type=positive,
        default=50.0,
        metavar="MS",
        help="milliseconds from the answer to one switch to the next (50)",
    )
    parser.add_argument("--budget-ms", type=positive, default=10.0, metavar="X", help="for the p99 (10)")
    parser.add_argument(
        "--large-mb",
        type=_megabytes,
        default=200,
        metavar="MB",
        help="then, for as long, load and drop a forest of so many megabytes; 0: do not (200)",
    )
    parser.add_argument(
        "--plot-seconds", type=positive, default=10.0, metavar="S", help="drawn, the last of the run (10)"
    )
    parser.set_defaults(run=switching)


def _megabytes(text: str) -> int:
    return 0 if text == "0" else count(text)


def switching(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 kept, 1 an answer was wrong or missing, or the p99 over the budget.

    Raises:
        RegistryError, BenchError: the models cannot be told apart, or the server did not come to answer.
    """
    expected = distinct_answers()
    cores = split(arguments.workers)
    watched = watch_switching(arguments, cores)
    phases = [phase(f"a switch {arguments.every:g} ms after the last", watched, expected)]
    if arguments.large_mb:
        phases.append(
            phase(
                f"a {arguments.large_mb} MB forest loaded and dropped",
                watch_large(arguments, cores),
                expected,
            )
        )
    result = Steadiness(
        command=command,
        seconds=arguments.seconds,
        warm_up_s=arguments.warm_up,
        rate_rps=arguments.rate,
        connections=arguments.connections,
        fresh_connections=arguments.connections // FRESH_SHARE,
        workers=arguments.workers,
        budget_ms=arguments.budget_ms,
        models=MODELS,
        cores=str(cores),
        machine=this_machine(),
        phases=tuple(phases),
    )
    drawn = timeline(watched, MODELS, arguments.budget_ms, arguments.plot_seconds)
    code = publish_drawn(result, drawn, arguments.out, "switch")
    return code if result.in_budget else 1


def distinct_answers() -> dict[str, str]:
    """By model, the body of its answer to ``ROW``, from the sealed entries themselves.

    Raises:
        RegistryError: an entry cannot be read or does not answer as it should.
        BenchError: two models have the same answer, so that an answer would not tell who gave it.
    """
    store = Store(Path(SHIPPED_REGISTRY))
    answers = {
        name: Model(store.read(name, store.current(name))).answer(tuple(ROW.values()), True).decode()
        for name in MODELS
    }
    if len(set(answers.values())) < len(answers):
        raise BenchError(f"two of {', '.join(MODELS)} have the same answer; take another row in {__name__}")
    return answers


def watch_switching(arguments: argparse.Namespace, cores: Cores) -> Watched:
    """Load a server while its champion is switched.

    Raises:
        ServerDied, LoadFailed: there is nothing to judge.
    """
    return _watch(arguments, cores, [{"model_type": name} for name in MODELS], arguments.every / 1000)


def watch_large(arguments: argparse.Namespace, cores: Cores) -> Watched:
    """Load a server while a large model, which nobody asks, is loaded and dropped again and again.

    Raises:
        ServerDied, LoadFailed: there is nothing to judge.
    """
    small = ",".join(MODELS)
    changes = [
        {"model_type": MODELS[0], "models": small},
        {"model_type": MODELS[-1], "models": f"{small},{LARGE}"},
    ]
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as folder:
        registry = Path(folder) / "registry"
        shutil.copytree(SHIPPED_REGISTRY, registry)
        grow(registry, arguments.large_mb)
        settings = {"registry": registry, "models": small, "reload_deadline_ms": 600_000}
        return _watch(arguments, cores, changes, arguments.every / 1000, **settings)


def grow(registry: Path, megabytes: int) -> None:
    """Publish the large model, by a process of its own: making it takes more memory than serving it.

    Raises:
        LoadFailed: with what it said.
    """
    words = [sys.executable, "-m", GROWER, str(registry), str(megabytes)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GROW_S)
    if done.returncode:
        raise LoadFailed(f"the large model could not be made: {done.stderr.strip().splitlines()[-1]}")


def _watch(
    arguments: argparse.Namespace, cores: Cores, changes: Sequence[Change], every_s: float, **settings: Any
) -> Watched:
    settings = {"model_type": MODELS[0], **settings, **dict(arguments.set)}
    with ExitStack() as stack:
        with pinned(cores.server):
            server = stack.enter_context(ServerProcess(workers=arguments.workers, **settings))
        switcher = stack.enter_context(Switcher(server, changes, every_s))
        load = Load(
            server.port,
            (Exchange(PATH, json.dumps(ROW).encode(), b""),),
            arguments.connections,
            arguments.seconds,
            arguments.warm_up,
            arguments.rate,
            fresh=arguments.connections // FRESH_SHARE,
            witnessed=True,
        )
        timings = drive(load, cores.load)
    return Watched(timings, switcher.reloads, switcher.faults)
