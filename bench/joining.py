"""``mps bench joining``: does it pay to run single rows together that wait at the same time?"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.columns import columns
from bench.errors import LoadFailed
from bench.faults import faults
from bench.goals import Measure, ratio, value
from bench.load.cores import Cores, pinned, split
from bench.load.driver import interleaved
from bench.load.spec import Exchange, Load, Timings
from bench.machine import Machine, this_machine
from bench.options import Commands, add_out, add_rounds
from bench.spread import Spread, shown
from bench.targets.child import HOST
from bench.targets.joined import Joined
from bench.targets.questions import ANSWER_S
from bench.targets.shelf import PREPARE_S, ROOT, Shelf
from bench.targets.target import SINGLE_PATH, Ours, Target

FLOOR = 1.3
"""What joining is to reach: less does not pay for a way in which one row's run can hold up another's."""
CONNECTIONS = (16, 64)
NAME = "pipeline"
MODULE = "bench.targets.pipeline"
RANDOM_ROWS = 2_000
"""Tried when the model is converted. The proof is not what is measured here."""
ALONE = "alone"
JOINED = Joined.name
PACKAGES = ("scikit-learn",)
HEADINGS = (
    "connections",
    "joined / alone",
    "alone requests/s",
    "joined requests/s",
    "alone p99 ms",
    "joined p99 ms",
    "verdict",
)
Timed = Mapping[tuple[int, str], Sequence[Timings]]
"""By connections and target: one for each round."""


class Joining(msgspec.Struct, frozen=True):
    """Both ways, under so many connections."""

    connections: int
    ratio: Spread | None
    """Joined to alone, of the requests a second of each round by itself."""
    alone_rps: Spread | None
    joined_rps: Spread | None
    alone_p99_ms: Spread | None
    joined_p99_ms: Spread | None
    right: int
    """Right answers of both ways and all rounds together."""
    client_busy: float
    """Share of a core that the load generator took, at most."""

    @property
    def pays(self) -> bool:
        """The median ratio reaches the floor."""
        return self.ratio is not None and self.ratio.median >= FLOOR

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        rates = shown(self.alone_rps, 0), shown(self.joined_rps, 0)
        tails = shown(self.alone_p99_ms, 2), shown(self.joined_p99_ms, 2)
        verdict = "pays" if self.pays else "does not pay"
        return (str(self.connections), shown(self.ratio, 2), *rates, *tails, verdict)


class Experiment(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    rounds: int
    seconds: float
    warm_up_s: float
    floor: float
    cores: str
    machine: Machine
    measured: tuple[Joining, ...]
    faults: tuple[str, ...]
    """What was answered wrong."""

    def markdown(self) -> str:
        """The whole report."""
        right = sum(one.right for one in self.measured)
        busy = max(one.client_busy for one in self.measured)
        return (
            f"{columns(HEADINGS, [one.cells for one in self.measured])}\n"
            "- alone: this server; joined: the same, where rows that wait at the same time run together\n"
            "- model: a pipeline of five columns of words and ten of numbers, with a logistic regression\n"
            f"- pays: at least {self.floor:g} times the requests a second\n"
            f"- {right:,} right answers, {len(self.faults)} faults\n"
            f"- the load generator took {busy:.0%} of a core at most\n"
            f"- {self.rounds} rounds in turns, {self.seconds:g} s after {self.warm_up_s:g} s of warm-up; the "
            "median, lowest and highest in brackets\n"
            f"- {self.cores}\n"
            f"- `{self.command}`\n"
            f"- {self.machine}\n"
        )


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "joining",
        help="whether it pays to run rows together that wait at the same time",
        description="Loads this server, and the same with joint runs of waiting rows, in turns on one core. "
        "Writes joining.json and joining.md. Exits with 1 when an answer is wrong.",
    )
    add_out(parser)
    add_rounds(parser, rounds=20, seconds=0.5, warm_up_s=0.2)
    parser.set_defaults(run=joining)


def joining(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done, 1 something answered wrong.

    Raises:
        BenchError: the model cannot be made, or a server did not come to answer, or not right.
    """
    cores = split(1)
    with tempfile.TemporaryDirectory(prefix="bench-joining-") as folder:
        timed = measured(Path(folder), arguments, cores)
    result = Experiment(
        command=command,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_up_s=arguments.warm_up,
        floor=FLOOR,
        cores=str(cores),
        machine=this_machine(PACKAGES),
        measured=tuple(joined_to_alone(timed, connections) for connections in CONNECTIONS),
        faults=tuple(
            fault
            for (connections, name), runs in timed.items()
            for fault in faults(f"{name}, {connections} connections", runs)
        ),
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (arguments.out / "joining.json").write_bytes(encoded + b"\n")
    (arguments.out / "joining.md").write_text(result.markdown(), "utf-8")
    print(result.markdown(), end="")
    for fault in result.faults:
        print(fault, file=sys.stderr)
    return 1 if result.faults else 0


def measured(folder: Path, arguments: argparse.Namespace, cores: Cores) -> Timed:
    """Both ways under every number of connections, in turns.

    Raises:
        BenchError: the model cannot be made, or a server did not come to answer, or not right.
    """
    shelf = stocked(folder)
    alone = Ours(shelf, {"model_type": NAME, "models": [NAME]}, ALONE)
    loads = {}
    with ExitStack() as stack:
        for target in (alone, Joined(shelf, NAME, folder / "state")):
            with pinned(cores.server):
                stack.enter_context(target)
            asked = questions(target, folder)
            for connections in CONNECTIONS:
                load = Load(target.port, asked, connections, arguments.seconds, arguments.warm_up)
                loads[connections, target.name] = load
        return interleaved(loads, arguments.rounds, cores.load)


def joined_to_alone(timed: Timed, connections: int) -> Joining:
    """What the rounds with so many connections say."""
    alone, joined = timed[connections, ALONE], timed[connections, JOINED]
    found = ratio(f"{connections} connections", "throughput", ALONE, joined, alone)
    runs = [*alone, *joined]
    return Joining(
        connections,
        found.ratio if found else None,
        _spread(alone, "throughput"),
        _spread(joined, "throughput"),
        _spread(alone, "p99"),
        _spread(joined, "p99"),
        sum(run.accepted.count for run in runs if run.accepted),
        max(run.client_busy for run in runs),
    )


def stocked(folder: Path) -> Shelf:
    """Train, and convert by the project's own command; some seconds.

    Raises:
        LoadFailed: a step failed; with what it said.
    """
    registry = folder / "registry"
    _run(["-m", MODULE, str(folder)])
    told = ["--name", NAME, "--data", str(folder / "rows.csv"), "--target", "y", "--registry", str(registry)]
    quick = ["--promote", "--random-rows", str(RANDOM_ROWS)]
    _run(["-m", "server", "convert", f"{MODULE}:pipeline", *told, *quick])
    labels = tuple(str(one["label"]) for one in json.loads((folder / "asked.json").read_bytes()))
    return Shelf(registry, registry / NAME / "1", folder / "pipeline.joblib", labels)


def questions(target: Target, folder: Path) -> tuple[Exchange, ...]:
    """One exchange for each row of ``asked.json``, with the bytes that this target answers.

    Raises:
        LoadFailed: an answer is not the trainer's label, or does not come.
    """
    exchanges = []
    connection = http.client.HTTPConnection(HOST, target.port, timeout=ANSWER_S)
    try:
        for asked in json.loads((folder / "asked.json").read_bytes()):
            body = json.dumps(asked["row"]).encode()
            connection.request("POST", SINGLE_PATH, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != http.client.OK or json.loads(answer) != {"prediction": asked["label"]}:
                said = f"status {response.status}: {answer[:120].decode('utf-8', 'replace')}"
                raise LoadFailed(f"{target.name}: the trainer says {asked['label']}, came {said}")
            exchanges.append(Exchange(SINGLE_PATH, body, answer))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LoadFailed(f"{target.name}: no answer: {error}") from None
    finally:
        connection.close()
    return tuple(exchanges)


def _spread(runs: Sequence[Timings], measure: Measure) -> Spread | None:
    return Spread.of(number for run in runs if (number := value(run, measure)) is not None)


def _run(words: list[str]) -> None:
    # A thread for each core would fight for the one that this may run on.
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    try:
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=PREPARE_S)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip() or "(silent)"
        raise LoadFailed(f"the model could not be made: {said.splitlines()[-1]}") from None
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"the model was not made within {PREPARE_S} s") from None
