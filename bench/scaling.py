"""``mps bench http``: how much this server does, by model, connections and worker processes."""

from __future__ import annotations

import argparse
import http.client
import json
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import msgspec
from matplotlib.figure import Figure

from bench.answers import single_fault
from bench.columns import columns
from bench.errors import LoadFailed
from bench.faults import faults
from bench.findings import publish
from bench.guard import current_manifests
from bench.load.cores import pinned, split
from bench.load.driver import interleaved
from bench.load.spec import Exchange, Load, Timings
from bench.machine import Machine, this_machine
from bench.options import Commands, add_models, add_out, add_rounds, add_settings, counts
from bench.plot import curves
from bench.process import ServerProcess
from bench.spread import Spread, shown

HEADINGS = ("model", "workers", "connections", "answers/s", "p50 ms", "p99 ms", "client busy")


class Point(msgspec.Struct, frozen=True):
    """One model under one load."""

    model: str
    workers: int
    connections: int
    throughput_rps: Spread | None
    p50_ms: Spread | None
    p99_ms: Spread | None
    client_busy: float
    """The highest of the rounds; near 1, the load generator is what was measured."""


class Scaling(msgspec.Struct, frozen=True):
    """One run of ``mps bench http``."""

    command: str
    rounds: int
    seconds: float
    warm_up_s: float
    cores: dict[int, str]
    """By worker processes."""
    machine: Machine
    points: tuple[Point, ...]
    faults: tuple[str, ...]

    def markdown(self) -> str:
        """The whole report."""
        lines = [
            columns(HEADINGS, [_cells(point) for point in self.points]),
            *(f"- WRONG: {fault}" for fault in self.faults),
            f"- `{self.command}`",
            f"- one row a request, closed loop, keep-alive, every answer checked; {self.rounds} rounds in "
            f"turns, each {self.seconds:g} s after {self.warm_up_s:g} s; the median (lowest to highest)",
            *(f"- workers: {workers}: {cores}" for workers, cores in self.cores.items()),
            f"- {self.machine}",
        ]
        return "\n".join(lines) + "\n"

    def figure(self) -> Figure:
        """Throughput over connections, a curve for each model and number of workers."""
        series: dict[str, dict[int, Spread]] = {}
        for point in self.points:
            if point.throughput_rps:
                name = f"{point.model}, workers: {point.workers}"
                series.setdefault(name, {})[point.connections] = point.throughput_rps
        return curves("connections", "answers a second", series)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "http",
        help="requests a second by model, connections and worker processes",
        description="Single rows to every model in a closed loop. Writes http.json, http.md and http.svg. "
        "Exits with 1 when an answer was wrong.",
    )
    add_models(parser)
    add_out(parser)
    add_rounds(parser, rounds=3, seconds=2, warm_up_s=0.5)
    add_settings(parser)
    parser.add_argument(
        "--connections", type=counts, default=[1, 4, 16], metavar="N,M", help="(default: 1,4,16)"
    )
    parser.add_argument("--workers", type=counts, default=[1, 2], metavar="N,M", help="(default: 1,2)")
    parser.set_defaults(run=scaling)


def scaling(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done, 1 an answer was wrong.

    Raises:
        RegistryError, BenchError: there is nothing to measure, or it does not answer.
    """
    models = [manifest.name for manifest in current_manifests(Path(arguments.registry), arguments.models)]
    timed = {workers: _timed(arguments, models, workers) for workers in arguments.workers}
    points = [
        point(model, workers, number, runs)
        for workers, some in timed.items()
        for (model, number), runs in some.items()
    ]
    found = [
        fault
        for workers, some in timed.items()
        for (model, number), runs in some.items()
        for fault in faults(f"{model}, workers: {workers}, connections: {number}", runs)
    ]
    result = Scaling(
        command=command,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_up_s=arguments.warm_up,
        cores={workers: str(split(workers)) for workers in arguments.workers},
        machine=this_machine(),
        points=tuple(points),
        faults=tuple(found),
    )
    return publish(result, arguments.out, "http")


def _timed(
    arguments: argparse.Namespace, models: Sequence[str], workers: int
) -> dict[tuple[str, int], list[Timings]]:
    """By model and connections, on a server with so many workers."""
    cores = split(workers)
    settings = {"registry": arguments.registry, "model_type": models[0], **dict(arguments.set)}
    with ExitStack() as stack:
        with pinned(cores.server):
            server = stack.enter_context(ServerProcess(workers=workers, **settings))
        asked = {model: (example(server, model),) for model in models}
        loads = {
            (model, number): Load(server.port, asked[model], number, arguments.seconds, arguments.warm_up)
            for model, number in product(models, arguments.connections)
        }
        return interleaved(loads, arguments.rounds, cores.load)


def example(server: ServerProcess, model: str) -> Exchange:
    """The example row of a model's own signature, with its answer.

    Raises:
        LoadFailed: the answer is none.
    """
    connection = server.connect()
    try:
        connection.request("GET", f"/models/{model}")
        response = connection.getresponse()
        described = json.loads(response.read())
        if response.status != http.client.OK:
            raise LoadFailed(f"{model}: status {response.status}")
        path, body = f"/models/{model}/predict", json.dumps(described["example"]).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{model}: no answer: {error}") from None
    finally:
        connection.close()
    fault = single_fault(response.status, answer, frozenset(described["classes"]))
    if fault:
        raise LoadFailed(f"{model}: {fault}")
    return Exchange(path, body, answer)


def point(model: str, workers: int, connections: int, runs: Sequence[Timings]) -> Point:
    """From the rounds of one load."""
    accepted = [run.accepted for run in runs if run.accepted]
    return Point(
        model,
        workers,
        connections,
        Spread.of(run.throughput_rps for run in runs),
        Spread.of(latency.p50_ms for latency in accepted),
        Spread.of(latency.p99_ms for latency in accepted),
        max(run.client_busy for run in runs),
    )


def _cells(point: Point) -> tuple[str, ...]:
    spreads = (shown(point.throughput_rps, 0), shown(point.p50_ms, 3), shown(point.p99_ms, 3))
    return (point.model, str(point.workers), str(point.connections), *spreads, f"{point.client_busy:.0%}")
