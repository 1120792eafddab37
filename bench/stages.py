"""``mps bench stages``: what of a request's time goes where, in process, without HTTP."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.columns import columns
from bench.errors import BenchError
from bench.guard import current_manifests
from bench.machine import Machine, this_machine
from bench.options import Commands, add_models, add_out, count, counts
from bench.spread import Spread, shown
from bench.stage import PREDICT, STAGES, calls
from bench.stages_plot import draw_stages
from bench.stopwatch import SAMPLE_NS, timed_us
from registry.manifest import Manifest
from registry.store import Store
from server.generation import Serving
from server.plan import draw
from server.settings import Resolved, Settings

ROWS = [1, 16, 256, 1000]
MOST_ROWS = 100_000
REPEAT = 15
HEADINGS = ("model", "rows", *STAGES, "sum", PREDICT, "a row")


class Stages(msgspec.Struct, frozen=True):
    """Of one model and one number of rows."""

    model: str
    rows: int
    stages_us: dict[str, Spread]
    """By stage; for one row there is no ``array``: it is packed where it is run."""
    predict_us: Spread
    """Of the server's function that puts the stages together: request bytes in, answer bytes out."""

    @property
    def sum_us(self) -> float:
        """Of the stages' medians."""
        return sum(spread.median for spread in self.stages_us.values())

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        stages = (shown(self.stages_us.get(stage), 1) for stage in STAGES)
        a_row = f"{self.predict_us.median / self.rows:.2f}"
        return (self.model, str(self.rows), *stages, f"{self.sum_us:.1f}", shown(self.predict_us, 1), a_row)


class StagesReport(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    repeat: int
    machine: Machine
    measured: tuple[Stages, ...]

    def markdown(self) -> str:
        """The table and how it was made."""
        return (
            f"{columns(HEADINGS, [stages.cells for stages in self.measured])}\n"
            f"- Microseconds: the median (lowest to highest) of {self.repeat} samples of at least "
            f"{SAMPLE_NS / 1e6:g} ms each, taken in turns; warm, in one process, one thread, no HTTP.\n"
            "- decode: JSON to rows. array: rows to the model's arrays; one row is packed where it is "
            "run. run: onnxruntime. encode: the model's arrays to JSON, without probabilities.\n"
            "- predict: all of it, by the function that the server calls. What it takes beyond the sum goes "
            "to headers, options, the deadline and finding the model, and to caches: a stage that is timed "
            "by itself finds its own data there, so the sum is the least that it can be.\n\n"
            f"Measured with `{self.command}` on: {self.machine}.\n"
        )


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "stages",
        help="time the parts of a request in process: decode, array, run, encode",
        description="Times, per model and number of rows, what a request is made of, with the server's own "
        "parts and without HTTP. Writes stages.json, stages.md and stages.svg.",
    )
    add_models(parser)
    shown_rows = ",".join(map(str, ROWS))
    parser.add_argument("--rows", type=counts, default=ROWS, metavar="N,M", help=f"({shown_rows})")
    parser.add_argument("--repeat", type=count, default=REPEAT, metavar="N", help="samples (%(default)s)")
    add_out(parser)
    parser.set_defaults(run=stages)


def stages(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write ``stages.json``, ``stages.md`` and ``stages.svg``.

    Raises:
        RegistryError, BenchError: there is nothing to measure, or it is not answered.
    """
    root = Path(arguments.registry)
    manifests = current_manifests(root, arguments.models)
    _check_rows(arguments.rows)
    sizes = list(dict.fromkeys(arguments.rows))
    measured = tuple(_measured(root, manifests, sizes, arguments.repeat))
    report = StagesReport(command, arguments.repeat, this_machine(), measured)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (arguments.out / "stages.json").write_bytes(encoded + b"\n")
    (arguments.out / "stages.md").write_text(report.markdown(), "utf-8")
    draw_stages(report.measured, arguments.out / "stages.svg")
    print(report.markdown(), end="")
    return 0


def _measured(root: Path, manifests: list[Manifest], sizes: list[int], repeat: int) -> Iterator[Stages]:
    serving = serving_of(root, [manifest.reference for manifest in manifests])
    store = Store(root)
    gc.collect()
    gc.freeze()  # as a worker does: no collection in between walks through all that the bench has imported
    for manifest in manifests:
        entry = store.read(manifest.name, manifest.version)
        for rows in sizes:
            found = timed_us(calls(serving, entry, rows), repeat)
            predict = found.pop(PREDICT)
            yield Stages(manifest.name, rows, found, predict)
    gc.unfreeze()


def serving_of(root: Path, references: list[str]) -> Serving:
    """The models as a worker serves them, loaded and proved.

    Raises:
        RegistryError: one of them cannot be.
    """
    settings = Settings(
        registry=str(root), model_type=references[0], models=tuple(references), max_batch_rows=MOST_ROWS
    )
    serving = Serving()
    serving.commit(serving.prepare(draw(Resolved(settings, {}, ""), 1)))
    return serving


def _check_rows(sizes: list[int]) -> None:
    if max(sizes) > MOST_ROWS:
        raise BenchError(f"--rows: expected at most {MOST_ROWS} rows in a batch, came {max(sizes)}")
