"""``mps bench footprint``: start-up, memory and disk."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from bench.footprint_report import FootprintReport
from bench.guard import current_manifests
from bench.installation import installed
from bench.machine import this_machine
from bench.options import Commands, add_models, add_out, count
from bench.startup import start_up
from bench.weight import memory, model_weight
from registry.store import Store

ROUNDS = 5


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "footprint",
        help="measure what the server takes: time to start, memory, disk",
        description="Measures the time from the start of the process to the first right answer, the memory "
        "of each process with all models and of one more model, and with --install the disk that a serving "
        "install takes. Writes footprint.json and footprint.md.",
    )
    add_models(parser)
    parser.add_argument("--rounds", type=count, default=ROUNDS, metavar="N", help="starts (%(default)s)")
    parser.add_argument(
        "--install", action="store_true", help="also install the checkout into a new environment"
    )
    parser.add_argument(
        "--python",
        default=sys.executable,
        metavar="FILE",
        help="interpreter whose environment serves; the one that has the benchmarks loads some packages more",
    )
    add_out(parser)
    parser.set_defaults(run=footprint)


def footprint(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write ``footprint.json`` and ``footprint.md``; 0 also where a target is missed.

    Raises:
        RegistryError, BenchError: there is nothing to measure, or it could not be measured.
    """
    root = Path(arguments.registry)
    store = Store(root)
    manifests = current_manifests(root, arguments.models)
    entries = [store.read(manifest.name, manifest.version) for manifest in manifests]
    report = FootprintReport(
        command=command,
        machine=this_machine(),
        start_up=start_up(str(root), entries[0], arguments.rounds, arguments.python),
        memory=memory(str(root), entries, python=arguments.python),
        models=tuple(model_weight(entry) for entry in entries),
        packages=installed(Path.cwd()) if arguments.install else None,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (arguments.out / "footprint.json").write_bytes(encoded + b"\n")
    (arguments.out / "footprint.md").write_text(report.markdown(), "utf-8")
    print(report.markdown(), end="")
    return 0
