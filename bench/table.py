"""``mps bench table``: what the README says of each model, measured."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from bench.columns import columns
from bench.errors import BadDocument
from bench.guard import current_manifests
from bench.latency import Latency, served_latency
from bench.machine import Machine, this_machine
from bench.page import MODELS, read_block, write_block
from bench.process import ServerProcess
from registry.manifest import Manifest, Metric

HEADINGS = ("served p50 ms", "served p99 ms", "budget ms", "memory KiB", "model KiB")
FILE = "models.json"


class Measurement(msgspec.Struct, frozen=True):
    """One line of the table."""

    model: str
    metrics: tuple[Metric, ...]
    """As the manifest states them."""
    latency: Latency
    budget_ms: float
    memory_bytes: int
    """Resident memory that one more session of this model takes, as the manifest states it."""
    size_bytes: int


class Measurements(msgspec.Struct, frozen=True):
    """The table, and where it comes from."""

    command: str
    workers: int
    machine: Machine
    models: tuple[Measurement, ...]

    def markdown(self) -> str:
        """The table with its metrics' methods, the machine and the command."""
        metrics = [metric for model in self.models for metric in model.metrics]
        methods = dict.fromkeys((metric.name, metric.method) for metric in metrics)
        names = list(dict.fromkeys(metric.name for metric in metrics))
        headings = ["model", *map(_words, names), *HEADINGS]
        lines = [columns(headings, [_cells(model, names) for model in self.models])]
        lines += [f"- {_words(name).capitalize()}: {method}." for name, method in methods]
        requests = ", ".join(sorted({str(model.latency.requests) for model in self.models}))
        lines.append(
            f"- Served latency: {requests} requests of one JSON row after a warm-up, one after the other on "
            f"one keep-alive connection, client and server on one machine, workers: {self.workers}.\n"
            "- Memory: what one more session of the model takes in a process. Model: size of the ONNX file.\n"
        )
        lines.append(f"Measured with `{self.command}` on: {self.machine}.")
        return "\n".join(lines) + "\n"


def measure(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write ``models.json`` and ``models.md``, and the page if one is named.

    Raises:
        RegistryError, BenchError: there is nothing to measure, or no place to write it.
    """
    if arguments.readme:
        read_block(arguments.readme, MODELS)  # refuse a page without markers before measuring
    manifests = current_manifests(Path(arguments.registry), arguments.models)
    with ServerProcess(
        registry=arguments.registry, model_type=manifests[0].name, workers=arguments.workers
    ) as server:
        models = tuple(_measurement(server, manifest, arguments.requests) for manifest in manifests)
    measurements = Measurements(command, arguments.workers, this_machine(), models)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(measurements), indent=1)
    (arguments.out / FILE).write_bytes(encoded + b"\n")
    (arguments.out / "models.md").write_text(measurements.markdown(), "utf-8")
    if arguments.readme:
        write_block(arguments.readme, MODELS, block(measurements))
    print(measurements.markdown(), end="")
    return 0


def check(arguments: argparse.Namespace, _: str) -> int:
    """Hold the page against ``models.json``; nothing is measured.

    Raises:
        BadDocument: they differ, or one of them cannot be read.
    """
    file = arguments.out / FILE
    try:
        measurements = msgspec.json.decode(file.read_bytes(), type=Measurements)
    except msgspec.MsgspecError as error:
        raise BadDocument(f"{file}: {error}") from None
    page = arguments.check
    if read_block(page, MODELS) != block(measurements):
        raise BadDocument(f"{page} does not say what {file} says; run: mps bench table --readme {page}")
    print(f"{page} says what {file} says")
    return 0


def block(measurements: Measurements) -> str:
    """What stands between the page's markers; Markdown wants empty lines around a table."""
    return f"\n\n{measurements.markdown()}\n"


def _measurement(server: ServerProcess, manifest: Manifest, requests: int) -> Measurement:
    return Measurement(
        model=manifest.name,
        metrics=manifest.card.metrics,
        latency=served_latency(server, manifest.name, requests),
        budget_ms=manifest.card.budget_ms,
        memory_bytes=manifest.measured.memory_bytes,
        size_bytes=manifest.size_bytes,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cells(model: Measurement, names: list[str]) -> list[str]:
    values = {metric.name: f"{metric.value:.3f}" for metric in model.metrics}
    return [
        model.model,
        *(values.get(name, "-") for name in names),
        f"{model.latency.p50_ms:.2f}",
        f"{model.latency.p99_ms:.2f}",
        f"{model.budget_ms:g}",
        f"{model.memory_bytes / 1024:.0f}",
        f"{model.size_bytes / 1024:.1f}",
    ]
