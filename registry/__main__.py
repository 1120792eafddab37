"""``mps models``: show, verify, judge, promote and roll back the models of a registry; write their cards."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from registry.arguments import parser
from registry.errors import PromotionRefused, RegistryError, UnknownModel
from registry.gates import Limits
from registry.modelcard import write_card, write_index
from registry.promotion import promote, verdict_on
from registry.report import card, history_table, rows, verdict_table
from registry.soundness import Prove, verify
from registry.store import Store

SHIPPED = Path(__file__).parent / "prd"


def main(argv: list[str] | None = None, prove: Prove | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit).

    Args:
        argv: arguments without the program's name.
        prove: golden-row test of whoever has a runtime; this room has none, so without it ``verify`` checks
            digests and structure only.
    """
    arguments = parser().parse_args(argv)
    root: Path = arguments.registry or Path(os.environ.get("MPS_REGISTRY") or SHIPPED)
    try:
        if not root.is_dir():
            raise UnknownModel(f"no registry at {root}; name its folder with --registry or MPS_REGISTRY")
        return _run(arguments, Store(root), prove)
    except RegistryError as error:
        print(f"mps models: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, store: Store, prove: Prove | None) -> int:
    match arguments.command:
        case "list":
            print("\n".join(rows(store)))
        case "show":
            name, version = store.resolve(arguments.reference)
            steps, current = store.steps(name), store.current_or_none(name)
            print("\n".join(card(store.manifest(name, version), steps, current)))
        case "gates":
            return _gates(arguments, store)
        case "promote":
            _promote(arguments, store)
        case "rollback":
            _rollback(store, arguments.name)
        case "history":
            store.versions(arguments.name)
            steps, current = store.steps(arguments.name), store.current_or_none(arguments.name)
            print("\n".join(history_table(steps, current)))
        case "card":
            return _cards(arguments, store)
        case _:
            return verify(store, arguments.references, prove)
    return 0


def _limits(arguments: argparse.Namespace) -> Limits:
    return Limits(max_size_mb=arguments.max_size_mb)


def _gates(arguments: argparse.Namespace, store: Store) -> int:
    """The verdict, without consequences; 1 when a gate fails."""
    name, version = store.newest(arguments.reference)
    manifest = store.manifest(name, version)
    verdict = verdict_on(store, manifest, arguments.champion, _limits(arguments))
    if arguments.json:
        told = {"candidate": manifest.reference, "passed": verdict.passed, **msgspec.to_builtins(verdict)}
        print(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())
    else:
        print("\n".join([manifest.reference, *verdict_table(verdict)]))
    if not verdict.passed:
        print(f"mps models: {manifest.reference} {verdict.summary}", file=sys.stderr)
    return int(not verdict.passed)


def _promote(arguments: argparse.Namespace, store: Store) -> None:
    limits = _limits(arguments)
    try:
        done = promote(store, arguments.reference, arguments.champion, limits, arguments.force or "")
    except PromotionRefused as refusal:
        print("\n".join(verdict_table(refusal.verdict)))
        raise
    if done.verdict is None:
        print(f"{done.name}@{done.version} is current already; nothing changed")
        return
    print("\n".join(verdict_table(done.verdict)))
    if done.forced:
        print(f"promoted all the same: {done.forced}")
    print(_taken_up(done.name, done.version))


def _rollback(store: Store, name: str) -> None:
    _, known = store.way_back(name)
    name, version = store.rollback(name)
    print(_taken_up(name, version))
    how = "it was current before" if known else "the next older version: the history knows of none before"
    print(how)


def _taken_up(name: str, version: int) -> str:
    return f"{name}@{version} is current; a running server takes it up at its next reload: mps reload"


def _cards(arguments: argparse.Namespace, store: Store) -> int:
    """Write the model cards that are asked for, with their pictures; the path of each is printed."""
    if arguments.all:
        versions = [(name, version) for name in store.published() for version in store.versions(name)]
    else:
        versions = [store.resolve(arguments.reference)]
    for name, version in versions:
        print(write_card(store.read(name, version), arguments.out))
    if arguments.all:
        print(write_index(store, arguments.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
