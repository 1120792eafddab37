"""What the server takes, beside what it may take."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.columns import columns
from bench.installation import Package
from bench.machine import Machine
from bench.resident import Resident
from bench.spread import Spread
from bench.startup import StartUp
from bench.weight import Memory, ModelWeight

START_TARGET_MS = 1000
WORKER_TARGET_BYTES = 100_000_000
INSTALL_TARGET_BYTES = 250_000_000
SHOWN_PACKAGES = 12


class FootprintReport(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    machine: Machine
    start_up: StartUp
    memory: Memory
    models: tuple[ModelWeight, ...]
    packages: tuple[Package, ...] | None = None
    """Of the serving install; None where it was not made."""

    def markdown(self) -> str:
        """Figures beside their targets, then what they consist of."""
        parts = [self.targets(), self._starting(), self._memory(), self._models(), self._install()]
        return "\n".join([*(part for part in parts if part), self._how()])

    def targets(self) -> str:
        """The figures that have one."""
        rows = [
            _verdict("start to first answer, ms", self.start_up.answer_ms.median, START_TARGET_MS),
            _verdict("worker (RSS), MB", _mb(self.memory.worker.rss_bytes), _mb(WORKER_TARGET_BYTES)),
        ]
        if self.packages is not None:
            rows.append(_verdict("install, MB", _mb(_total(self.packages)), _mb(INSTALL_TARGET_BYTES)))
        return columns(("figure", "measured", "target", "verdict"), rows)

    def _starting(self) -> str:
        start_up = self.start_up
        rows = [
            _times("start to first answer", start_up.answer_ms),
            _times("- until the main process starts the worker", start_up.main_ms),
            _times("- from there to the answer", start_up.worker_ms),
            _times("imports of the main process alone", start_up.main_imports_ms),
            _times("imports of a worker alone", start_up.worker_imports_ms),
        ]
        return columns((f"{start_up.rounds} starts, 1 worker", "median ms", "lowest", "highest"), rows)

    def _memory(self) -> str:
        memory = self.memory
        everything = memory.main + memory.worker + memory.others
        rows = [
            _resident("main process", memory.main),
            _resident("worker", memory.worker),
            _resident("others", memory.others),
            _resident("together", everything),
        ]
        heading = f"{memory.models} models, after {memory.requests} requests"
        return columns((heading, "RSS MB", "PSS MB", "own MB"), rows)

    def _models(self) -> str:
        rows = [
            (
                model.model,
                f"{model.rss_bytes / 1024:.0f}",
                f"{model.own_bytes / 1024:.0f}",
                f"{model.manifest_bytes / 1024:.0f}",
            )
            for model in self.models
        ]
        return columns(("one more model", "RSS KiB", "own KiB", "session, by its manifest"), rows)

    def _install(self) -> str:
        if self.packages is None:
            return ""
        shown, rest = self.packages[:SHOWN_PACKAGES], self.packages[SHOWN_PACKAGES:]
        rows = [(f"{package.name} {package.version}", f"{_mb(package.size_bytes):.1f}") for package in shown]
        rows += [(f"{len(rest)} more", f"{_mb(_total(rest)):.1f}")] if rest else []
        return columns(("package", "MB"), [*rows, ("together", f"{_mb(_total(self.packages)):.1f}")])

    def _how(self) -> str:
        copies = ", ".join(sorted({str(model.copies) for model in self.models}))
        return (
            "- MB: a million bytes. Files are compiled and in the page cache.\n"
            "- Start: until `/models/NAME/predict` gives the right label, asked every few milliseconds. "
            "The worker is started when the kernel says so, to 10 ms.\n"
            "- Alone: an interpreter that only imports what the process does, measured in the same rounds.\n"
            "- RSS counts what processes share in each of them, PSS divides it, own leaves it out. Others: "
            "what the interpreter starts to tidy up after processes.\n"
            f"- One more model: a worker with {copies} copies more against one with a single one, for each "
            "copy, everything included that serves it; by its manifest: a session alone.\n\n"
            f"Measured with `{self.command}` on: {self.machine}.\n"
        )


def _verdict(figure: str, measured: float, target: float) -> tuple[str, ...]:
    verdict = "kept" if measured < target else "missed"
    return (figure, f"{measured:.0f}", f"< {target:.0f}", verdict)


def _times(what: str, spread: Spread) -> tuple[str, ...]:
    return (what, *(f"{value:.0f}" for value in (spread.median, spread.low, spread.high)))


def _resident(what: str, found: Resident) -> tuple[str, ...]:
    sizes_bytes = (found.rss_bytes, found.pss_bytes, found.own_bytes)
    return (what, *(f"{_mb(size_bytes):.1f}" for size_bytes in sizes_bytes))


def _mb(size_bytes: int) -> float:
    return size_bytes / 1e6


def _total(packages: Sequence[Package]) -> int:
    return sum(package.size_bytes for package in packages)
