"""``mps bench v2``: a batch by the Open Inference Protocol, its numbers as bytes and as JSON."""

from __future__ import annotations

import argparse
import http.client
import random
from contextlib import ExitStack, closing
from time import perf_counter_ns
from typing import NamedTuple

import msgspec
import numpy as np

from bench.columns import columns
from bench.errors import LoadFailed
from bench.load.cores import pinned, split
from bench.machine import Machine, this_machine
from bench.options import Commands, add_out, count
from bench.process import ServerProcess
from bench.spread import Spread, shown

MODEL, ROWS = "decision_tree", 10_000
GOAL = 8.0
"""Times the rows a second of JSON, at least."""
HEADINGS = ("batch of 10,000 rows", "bytes", "ms", "rows/s")


class Way(NamedTuple):
    """One way to send the batch."""

    body: bytes
    headers: dict[str, str]


class Taken(msgspec.Struct, frozen=True):
    """One way, measured."""

    way: str
    request_bytes: int
    ms: Spread
    rows_per_s: float


class Binary(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    rounds: int
    machine: Machine
    cores: str
    taken: tuple[Taken, ...]
    ratio: Spread
    """Rows a second as bytes to those as JSON, in each round by itself."""

    def markdown(self) -> str:
        """The whole report."""
        rows = [
            (each.way, f"{each.request_bytes:,}", shown(each.ms, 2), f"{each.rows_per_s:,.0f}")
            for each in self.taken
        ]
        met = "yes" if self.ratio.median >= GOAL else "no"
        return (
            f"{columns(HEADINGS, rows)}\n"
            f"- as bytes {shown(self.ratio, 1)} times the rows a second of JSON; goal: at least {GOAL:g}; "
            f"met: {met}\n"
            f"- {MODEL}, FP32; labels and probabilities come back the same way; one connection, one worker\n"
            f"- `{self.command}`\n"
            f"- {self.rounds} rounds in turns, the median (lowest to highest)\n"
            f"- {self.cores}\n"
            f"- {self.machine}\n"
        )


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "v2",
        help="batches by the Open Inference Protocol, as bytes and as JSON",
        description="Sends the same batch as binary data and as JSON, in turns, and compares the answers. "
        "Writes v2.json and v2.md.",
    )
    add_out(parser)
    parser.add_argument("--rounds", type=count, default=60, metavar="N", help="(default: %(default)s)")
    parser.set_defaults(run=binary)


def binary(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write; 0 done.

    Raises:
        BenchError: the server does not start, or the two ways are answered differently.
    """
    cores = split(1)
    ways = batch()
    with ExitStack() as stack:
        with pinned(cores.server):
            server = stack.enter_context(ServerProcess(max_body_bytes=16 << 20))
        stack.enter_context(pinned(cores.load))
        times: dict[str, list[float]] = {name: [] for name in ways}
        connection = stack.enter_context(closing(server.connect()))
        check(connection, ways)
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                times[name].append(asked(connection, way)[0])
    spreads = {name: Spread.of(found) for name, found in times.items()}
    ratio = Spread.of(slow / fast for slow, fast in zip(times["JSON"], times["bytes"], strict=True))
    assert ratio is not None  # there was a round
    taken = tuple(
        Taken(name, len(ways[name].body), spread, ROWS / spread.median * 1000)
        for name, spread in spreads.items()
        if spread is not None
    )
    result = Binary(command, arguments.rounds, this_machine(), str(cores), taken, ratio)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (arguments.out / "v2.json").write_bytes(encoded + b"\n")
    (arguments.out / "v2.md").write_text(result.markdown(), "utf-8")
    print(result.markdown(), end="")
    return 0


def batch() -> dict[str, Way]:
    """The same rows in both ways."""
    numbers = random.Random(0)
    rows = np.array([[round(numbers.uniform(0.5, 7), 2) for _ in range(4)] for _ in range(ROWS)], np.float32)
    given = {"name": "input", "shape": [ROWS, 4], "datatype": "FP32"}
    behind = {"inputs": [{**given, "parameters": {"binary_data_size": rows.nbytes}}]}
    header = msgspec.json.encode(behind | {"parameters": {"binary_data_output": True}})
    text = msgspec.json.encode({"inputs": [{**given, "data": rows.reshape(-1).tolist()}]})
    return {
        "bytes": Way(header + rows.tobytes(), {"Inference-Header-Content-Length": str(len(header))}),
        "JSON": Way(text, {}),
    }


def check(connection: http.client.HTTPConnection, ways: dict[str, Way]) -> None:
    """Both are answered alike.

    Raises:
        LoadFailed
    """
    _, raw, length = asked(connection, ways["bytes"])
    label, chances = msgspec.json.decode(raw[:length])["outputs"]
    packed, numbers = raw[length:][: label["parameters"]["binary_data_size"]], raw[length:]
    found, at = [], 0
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        found.append(packed[at + 4 : at + 4 + size].decode())
        at += 4 + size
    dtype = {"FP32": "<f4", "FP64": "<f8"}[chances["datatype"]]
    floats = np.frombuffer(numbers[at:], dtype).tolist()
    told = msgspec.json.decode(asked(connection, ways["JSON"])[1])
    if [found, floats] != [output["data"] for output in told["outputs"]] or len(found) != ROWS:
        raise LoadFailed("the same batch is answered differently as bytes and as JSON")


def asked(connection: http.client.HTTPConnection, way: Way) -> tuple[float, bytes, int]:
    """Milliseconds, the answer, and the length of its JSON.

    Raises:
        LoadFailed: it is refused.
    """
    start_ns = perf_counter_ns()
    connection.request("POST", f"/v2/models/{MODEL}/infer", way.body, way.headers)
    response = connection.getresponse()
    body = response.read()
    elapsed_ms = (perf_counter_ns() - start_ns) / 1e6
    if response.status != 200:
        raise LoadFailed(f"status {response.status}: {body[:120].decode('utf-8', 'replace')}")
    return elapsed_ms, body, int(response.headers.get("Inference-Header-Content-Length", 0))
