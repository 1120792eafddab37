"""``mps bench v2``: a batch by the Open Inference Protocol, its numbers as bytes and as JSON."""

from __future__ import annotations

import argparse
import http.client
import random
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from time import monotonic, perf_counter_ns
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.columns import columns
from bench.errors import LoadFailed
from bench.load.cores import pinned, split
from bench.machine import Machine, this_machine
from bench.options import Commands, add_out, count
from bench.process import ServerProcess
from bench.spread import Spread, shown

LENGTH_HEADER = "Inference-Header-Content-Length"
MODEL, ROWS, CLASSES = "decision_tree", 10_000, 3
GOAL = 8.0
"""Times the rows a second of JSON, at least, where numbers come back."""
CONNECTIONS, STREAM_S, STREAMS = 3, 0.6, 21
"""As many that ask without a pause keep the server's processor busy."""
BYTES, JSON = "bytes", "JSON"
OUTPUTS = {"probabilities": ("probabilities",), "label and probabilities": ("label", "probabilities")}
"""What is asked for. Labels are text: a client takes them apart one by one, whichever way they come."""
HEADINGS = (
    "asked for",
    "sent as",
    "bytes there",
    "and back",
    "rows/s",
    "alone, all, ms",
    "alone, served, ms",
)
RATIO_HEADINGS = ("asked for", "rows/s", "alone, all", "alone, served")
SIZE = struct.Struct("<I")
Floats = NDArray[np.float64]


class Answered(NamedTuple):
    """What a client has in its hands at the end."""

    labels: list[str]
    probabilities: Floats
    """``(n, classes)``."""


class Way(NamedTuple):
    """How a client asks, and how it reads the answer."""

    asks: Callable[[NDArray[np.float32], tuple[str, ...]], tuple[bytes, dict[str, str]]]
    """(rows, outputs) to body and headers."""
    reads: Callable[[bytes, int], Answered]
    """(body, length of its JSON) to arrays."""


class Taken(msgspec.Struct, frozen=True):
    """One way, measured."""

    asked: str
    way: str
    request_bytes: int
    answer_bytes: int
    whole_ms: Spread
    """From the array of the rows to the array of the answers."""
    server_ms: Spread
    """From the first byte sent to the last byte received."""
    rows_per_s: Spread
    """Of several connections without a pause, with requests that are written beforehand."""

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        sizes = f"{self.request_bytes:,}", f"{self.answer_bytes:,}"
        rates = (self.rows_per_s.median, self.rows_per_s.low, self.rows_per_s.high)
        rows = "{:,.0f} ({:,.0f} to {:,.0f})".format(*rates)
        return (self.asked, self.way, *sizes, rows, shown(self.whole_ms, 2), shown(self.server_ms, 2))


class Gain(msgspec.Struct, frozen=True):
    """Bytes against JSON: times the rows a second, in each round by itself."""

    asked: str
    rows: Spread
    """Of several connections."""
    whole: Spread
    server: Spread
    """Of one batch after the other."""


class Binary(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    rounds: int
    machine: Machine
    cores: str
    taken: tuple[Taken, ...]
    gains: tuple[Gain, ...]

    def markdown(self) -> str:
        """The whole report."""
        gains = [
            (each.asked, *(shown(one, 1) for one in (each.rows, each.whole, each.server)))
            for each in self.gains
        ]
        met = "yes" if self.gains[0].rows.median >= GOAL else "no"
        return (
            f"{columns(HEADINGS, [each.cells for each in self.taken])}\n"
            "How many times as fast bytes are as JSON, taken in each round:\n\n"
            f"{columns(RATIO_HEADINGS, gains)}\n"
            f"- goal: at least {GOAL:g} times the rows/s where numbers come back; met: {met}\n"
            f"- {ROWS:,} rows of FP32 to {MODEL}, one worker\n"
            f"- rows/s: {CONNECTIONS} connections without a pause, {STREAM_S:g} s in each of up to {STREAMS} "
            "rounds\n"
            "- alone: one batch after the other. All: from the array of the rows to that of the answers, by "
            "numpy, msgspec for JSON, and Python for labels in bytes. Served: from first byte to last\n"
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
    with ExitStack() as stack:
        with pinned(cores.server):
            server = stack.enter_context(ServerProcess(max_body_bytes=16 << 20))
        stack.enter_context(pinned(cores.load))
        connection = stack.enter_context(closing(server.connect()))
        measured = [compared(server, connection, asked, arguments.rounds) for asked in OUTPUTS]
    taken = tuple(each for pair, _ in measured for each in pair)
    gains = tuple(gain for _, gain in measured)
    result = Binary(command, arguments.rounds, this_machine(), str(cores), taken, gains)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (arguments.out / "v2.json").write_bytes(encoded + b"\n")
    (arguments.out / "v2.md").write_text(result.markdown(), "utf-8")
    print(result.markdown(), end="")
    return 0


def compared(
    server: ServerProcess, connection: http.client.HTTPConnection, asked: str, rounds: int
) -> tuple[tuple[Taken, ...], Gain]:
    """Both ways in turns, after both were answered alike.

    Raises:
        LoadFailed: they were not, or a request was refused.
    """
    rows = batch()
    first = {name: exchanged(connection, way, rows, OUTPUTS[asked]) for name, way in WAYS.items()}
    if not alike(first[BYTES].answered, first[JSON].answered):
        raise LoadFailed("the same batch is answered differently as bytes and as JSON")
    whole: dict[str, list[float]] = {name: [] for name in WAYS}
    served: dict[str, list[float]] = {name: [] for name in WAYS}
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(min(rounds, STREAMS)):
        for name, way in WAYS.items():
            rates[name].append(streamed(server, *way.asks(rows, OUTPUTS[asked])))
    for _ in range(rounds):
        for name, way in WAYS.items():
            done = exchanged(connection, way, rows, OUTPUTS[asked])
            whole[name].append(done.whole_ms)
            served[name].append(done.server_ms)
    taken = tuple(
        Taken(asked, name, *first[name].sizes, *(_spread(found[name]) for found in (whole, served, rates)))
        for name in WAYS
    )
    faster = _spread([fast / slow for slow, fast in zip(rates[JSON], rates[BYTES], strict=True)])
    shorter = [
        _spread([slow / fast for slow, fast in zip(times[JSON], times[BYTES], strict=True)])
        for times in (whole, served)
    ]
    return taken, Gain(asked, faster, *shorter)


def streamed(server: ServerProcess, body: bytes, headers: dict[str, str]) -> float:
    """Rows a second that are answered to several connections, each of which asks again at once.

    Raises:
        LoadFailed: a request is refused.
    """
    begun_s = monotonic()

    def ask(_: int) -> int:
        answered = 0
        with closing(server.connect()) as connection:
            while monotonic() < begun_s + STREAM_S:
                post(connection, body, headers)
                answered += 1
        return answered

    with ThreadPoolExecutor(CONNECTIONS) as clients:
        answered = sum(clients.map(ask, range(CONNECTIONS)))
    return answered * ROWS / (monotonic() - begun_s)


def _spread(figures: Sequence[float]) -> Spread:
    found = Spread.of(figures)
    assert found is not None  # there was a round
    return found


class Exchanged(NamedTuple):
    """One batch, asked and answered."""

    answered: Answered
    sizes: tuple[int, int]
    """Bytes there and back."""
    whole_ms: float
    server_ms: float


def exchanged(
    connection: http.client.HTTPConnection, way: Way, rows: NDArray[np.float32], outputs: tuple[str, ...]
) -> Exchanged:
    """From array to array.

    Raises:
        LoadFailed: it is refused.
    """
    begun_ns = perf_counter_ns()
    body, headers = way.asks(rows, outputs)
    sent_ns = perf_counter_ns()
    answer, length = post(connection, body, headers)
    received_ns = perf_counter_ns()
    answered = way.reads(answer, length)
    whole_ms = (perf_counter_ns() - begun_ns) / 1e6
    return Exchanged(answered, (len(body), len(answer)), whole_ms, (received_ns - sent_ns) / 1e6)


def post(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[bytes, int]:
    """The answer, and the length of its JSON where bytes follow.

    Raises:
        LoadFailed: it is refused.
    """
    connection.request("POST", f"/v2/models/{MODEL}/infer", body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != http.client.OK:
        raise LoadFailed(f"status {response.status}: {answer[:120].decode('utf-8', 'replace')}")
    return answer, int(response.headers.get(LENGTH_HEADER, 0))


def batch() -> NDArray[np.float32]:
    """Flowers, of a kind: ``(10000, 4) float32``."""
    numbers = random.Random(0)
    return np.array([[round(numbers.uniform(0.5, 7), 2) for _ in range(4)] for _ in range(ROWS)], np.float32)


def alike(one: Answered, other: Answered) -> bool:
    """The same labels, and the same bits of every probability, of all rows."""
    same = one.labels == other.labels and one.probabilities.tobytes() == other.probabilities.tobytes()
    return same and one.probabilities.shape == (ROWS, CLASSES)


def _asks_bytes(rows: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[bytes, dict[str, str]]:
    tensor = {
        "name": "input",
        "shape": rows.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": rows.nbytes},
    }
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    header = msgspec.json.encode({"inputs": [tensor], "outputs": wanted})
    return header + rows.tobytes(), {LENGTH_HEADER: str(len(header))}


def _reads_bytes(body: bytes, length: int) -> Answered:
    labels: list[str] = []
    probabilities: Floats = np.empty((0, 0))
    at = length
    for output in msgspec.json.decode(body[:length])["outputs"]:
        end = at + output["parameters"]["binary_data_size"]
        if output["datatype"] == "BYTES":
            labels = _texts(body[at:end])
        else:
            probabilities = np.frombuffer(body[at:end], "<f8").reshape(output["shape"])
        at = end
    return Answered(labels, probabilities)


def _texts(packed: bytes) -> list[str]:
    found, at = [], 0
    while at < len(packed):
        (size,) = SIZE.unpack_from(packed, at)
        found.append(packed[at + SIZE.size : at + SIZE.size + size].decode())
        at += SIZE.size + size
    return found


def _asks_json(rows: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[bytes, dict[str, str]]:
    tensor = {"name": "input", "shape": rows.shape, "datatype": "FP32", "data": rows.reshape(-1).tolist()}
    return msgspec.json.encode({"inputs": [tensor], "outputs": [{"name": name} for name in outputs]}), {}


def _reads_json(body: bytes, _: int) -> Answered:
    labels: list[str] = []
    probabilities: Floats = np.empty((0, 0))
    for output in msgspec.json.decode(body)["outputs"]:
        if output["datatype"] == "BYTES":
            labels = output["data"]
        else:
            probabilities = np.array(output["data"], np.float64).reshape(output["shape"])
    return Answered(labels, probabilities)


WAYS = {BYTES: Way(_asks_bytes, _reads_bytes), JSON: Way(_asks_json, _reads_json)}
