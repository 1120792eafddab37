"""``mps models``: list, show, verify, promote and roll back the models of a registry."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from registry.errors import RegistryError, UnknownModel
from registry.manifest import check_name, parse_reference
from registry.report import card, rows
from registry.store import Entry, Store

SHIPPED = Path(__file__).parent / "prd"

Prove = Callable[[Entry], object]
"""Runs the golden rows of an entry; raises RegistryError when the answers are not the expected ones."""


def main(argv: list[str] | None = None, prove: Prove | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit).

    Args:
        argv: arguments without the program's name.
        prove: golden-row test of whoever has a runtime; this room has none, so without it ``verify`` checks
            digests and structure only.
    """
    arguments = _parser().parse_args(argv)
    root: Path = arguments.registry or Path(os.environ.get("MPS_REGISTRY") or SHIPPED)
    store = Store(root)
    try:
        if not root.is_dir():
            raise UnknownModel(f"no registry at {root}; name its folder with --registry or MPS_REGISTRY")
        match arguments.command:
            case "list":
                print("\n".join(rows(store)))
            case "show":
                print("\n".join(card(store.manifest(*store.resolve(arguments.reference)))))
            case "promote":
                _tell_current(*store.promote(arguments.reference))
            case "rollback":
                _tell_current(*store.rollback(arguments.name))
            case _:
                return _verify(store, arguments.references, prove)
    except RegistryError as error:
        print(f"mps models: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mps models", description=__doc__, allow_abbrev=False)
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--registry",
        type=Path,
        default=argparse.SUPPRESS,  # so that it may stand before or after the subcommand
        metavar="DIR",
        help="registry root (default: MPS_REGISTRY, else the shipped registry)",
    )
    parser.add_argument("--registry", type=Path, metavar="DIR", help="the same, before the subcommand")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = partial(commands.add_parser, parents=[place], allow_abbrev=False)
    add("list", help="every model: current and other versions, quality, size, budget")
    show = add("show", help="what is known of one version")
    show.add_argument("reference", metavar="NAME[@VERSION]", type=_reference, help="default: the current one")
    verify = add("verify", help="check that entries are sound")
    verify.add_argument(
        "references",
        metavar="NAME[@VERSION]",
        nargs="*",
        type=_reference,
        help="default: all versions of all models; without @VERSION all versions of that model",
    )
    promote = add("promote", help="make a version the one that is served from now on")
    promote.add_argument("reference", metavar="NAME[@VERSION]", type=_reference, help="default: the newest")
    rollback = add("rollback", help="make the next older version the one that is served")
    rollback.add_argument("name", metavar="NAME", type=_name)
    return parser


def _reference(text: str) -> str:
    try:
        parse_reference(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _name(text: str) -> str:
    try:
        check_name(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _tell_current(name: str, version: int) -> None:
    print(f"{name}@{version} is current; a running server takes it up at its next reload: mps reload")


def _verify(store: Store, references: list[str], prove: Prove | None) -> int:
    """One line per entry, sound or not; 1 when any is not."""
    wanted = references or store.published()
    entries = {entry: None for reference in wanted for entry in _meant(store, reference)}
    faults = [_fault(store, name, version, prove) for name, version in entries]
    faults += [_current_fault(store, name) for name in sorted({name for name, _ in entries})]
    broken = sum(fault is not None for fault in faults)
    ran = "golden rows were run" if prove else "golden rows were not run: digests and structure only"
    print(f"{len(entries)} checked, {broken} broken; {ran}")
    if broken:
        print(f"mps models: {broken} broken, see above", file=sys.stderr)
    return int(broken > 0)


def _meant(store: Store, reference: str) -> list[tuple[str, int]]:
    name, version = parse_reference(reference)
    if version is None:
        return [(name, each) for each in store.versions(name)]
    return [store.resolve(reference)]


def _fault(store: Store, name: str, version: int, prove: Prove | None) -> RegistryError | None:
    try:
        entry = store.read(name, version)
        if prove:
            prove(entry)
    except RegistryError as error:
        print(error)
        return error
    print(f"{name}@{version}  sound")
    return None


def _current_fault(store: Store, name: str) -> RegistryError | None:
    try:
        store.current(name)
    except UnknownModel:  # published, not promoted: nothing is wrong with that
        return None
    except RegistryError as error:
        print(error)
        return error
    return None


if __name__ == "__main__":
    sys.exit(main())
