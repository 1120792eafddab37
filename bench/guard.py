"""``mps bench guard``: does every model, served, keep its p99 budget?"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from bench.machine import this_machine
from bench.process import ServerProcess
from bench.samples import Samples, percentile
from bench.traffic import USERS, Traffic, drive
from bench.verdict import Report, Round, Verdict, table
from registry.errors import UnknownModel
from registry.manifest import Manifest
from registry.store import Store

MAX_ROUNDS = 3
"""A busy neighbour can spoil a round, hardly three in a row; a model that is too slow spoils them all."""

HEAD_START_S = 2
"""For the second load generator: starting one takes a processor for a second."""
BESIDE_SHARE = 0.1
"""Batches for each single row."""


def guard(arguments: argparse.Namespace, command: str) -> int:
    """Measure, print, write ``guard.json`` and ``guard.md``; 0 kept, 1 broken.

    Raises:
        RegistryError, BenchError: there is nothing to measure, or it could not be measured.
    """
    manifests = current_manifests(Path(arguments.registry), arguments.models)
    with ServerProcess(
        registry=arguments.registry, model_type=manifests[0].name, workers=arguments.workers
    ) as server:
        alone, together = plan(manifests, arguments)
        verdicts = [judge(item, lambda item: run(server, item)) for item in alone]
        kept = all(verdict.outcome == "kept" for verdict in verdicts)
        if arguments.together and kept:  # what is too slow alone needs no company
            verdicts += [judge(item, lambda item: run(server, item)) for item in together]
    report = Report(
        command=command,
        rate_rps=arguments.rate,
        seconds=arguments.seconds,
        users=USERS,
        workers=arguments.workers,
        machine=this_machine(),
        verdicts=tuple(verdicts),
    )
    _write(report, arguments.out)
    print(table(verdicts), end="")
    for verdict in verdicts:
        for fault in verdict.rounds[-1].faults:
            print(f"{verdict.what}: {fault}", file=sys.stderr)
    return 0 if report.kept else 1


def current_manifests(root: Path, names: Sequence[str]) -> list[Manifest]:
    """Of the named models' current versions; no names: all that have one.

    Raises:
        RegistryError: there is no such model, or none at all.
    """
    store = Store(root)
    chosen = names or store.names()
    if not chosen:
        raise UnknownModel(f"no model with a current version in {root}")
    return [store.manifest(name, store.current(name)) for name in chosen]


class Item(NamedTuple):
    """What is judged."""

    what: str
    budget_ms: float
    traffic: Traffic
    """Shows it."""
    beside: Traffic | None = None
    """Goes on at the same time and is not judged, but for its failures."""


Drive = Callable[[Item], Samples]


def run(server: ServerProcess, item: Item) -> Samples:
    """One round. What goes beside has a load generator of its own: batches must not hold up the client."""
    if item.beside is None:
        return drive(server, item.traffic)
    with ThreadPoolExecutor(1) as second:
        beside = second.submit(drive, server, item.beside)
        time.sleep(HEAD_START_S)
        measured = drive(server, item.traffic)
        company = beside.result()
    faults = [*measured.faults, *company.faults]
    return msgspec.structs.replace(measured, failures=measured.failures + company.failures, faults=faults)


def plan(manifests: Sequence[Manifest], arguments: argparse.Namespace) -> tuple[list[Item], list[Item]]:
    """Each model by itself; the largest beside batches; the first while it is switched to another."""

    def budget_ms(*measured: Manifest) -> float:
        if arguments.budget_ms is not None:
            return float(arguments.budget_ms)
        return min(manifest.card.budget_ms for manifest in measured)

    def traffic(user: str, model: str = "", switch_between: tuple[str, ...] = ()) -> Traffic:
        return Traffic(user, arguments.rate, arguments.seconds, model, switch_between)

    alone = [Item(model.name, budget_ms(model), traffic("JsonPredict", model.name)) for model in manifests]
    largest = max(manifests, key=lambda manifest: manifest.size_bytes)
    longer_s = arguments.seconds + HEAD_START_S
    batches = Traffic("Batch", arguments.rate * BESIDE_SHARE, longer_s, largest.name)
    singles = traffic("JsonPredict", largest.name)
    together = [Item(f"{largest.name} beside batches", budget_ms(largest), singles, batches)]
    first, *others = manifests
    same = [model for model in others if model.signature.interface == first.signature.interface]
    other = same[0] if same else None
    if other:
        pair = (first.name, other.name)
        what = f"switching {first.name} / {other.name}"
        switched = traffic("Switching", switch_between=pair)
        together.append(Item(what, budget_ms(first, other), switched))
    return alone, together


def judge(item: Item, run: Drive) -> Verdict:
    """Up to three rounds, until one keeps the budget. A failed request is never forgiven by another round."""
    rounds: list[Round] = []
    outcome: Literal["kept", "broken", "failures"] = "broken"
    while outcome == "broken" and len(rounds) < MAX_ROUNDS:
        rounds.append(summary(run(item)))
        if rounds[-1].failures:
            outcome = "failures"
        elif rounds[-1].p99_ms <= item.budget_ms:
            outcome = "kept"
    return Verdict(item.what, item.budget_ms, tuple(rounds), outcome)


def summary(samples: Samples) -> Round:
    """Figures of the single-row requests; failures of all kinds. No answer at all is a failure."""
    latencies = samples.latencies_ms.get("predict", [])
    if not latencies:
        faults = (*samples.faults, "no request was answered in the measured time")
        return Round(0, samples.failures + 1, 0, 0, faults)
    p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
    return Round(len(latencies), samples.failures, round(p50, 3), round(p99, 3), tuple(samples.faults))


def _write(report: Report, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (out / "guard.json").write_bytes(encoded + b"\n")
    (out / "guard.md").write_text(report.markdown(), "utf-8")
