"""Whether the entries of a registry, and what says which of them is current, can be relied on."""

from __future__ import annotations

import sys
from collections.abc import Callable

from registry.errors import RegistryError, UnknownModel
from registry.manifest import parse_reference
from registry.store import Entry, Store

Prove = Callable[[Entry], object]
"""Runs the golden rows of an entry; raises RegistryError when the answers are not the expected ones."""


def verify(store: Store, references: list[str], prove: Prove | None) -> int:
    """Print one line per entry, sound or not; 1 when any is not.

    Raises:
        InvalidName, UnknownModel: one that is named is not there.
    """
    wanted = references or store.published()
    entries = {entry: None for reference in wanted for entry in _meant(store, reference)}
    faults = [_fault(store, name, version, prove) for name, version in entries]
    faults += [_pointer_fault(store, name) for name in sorted({name for name, _ in entries})]
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


def _pointer_fault(store: Store, name: str) -> RegistryError | None:
    try:
        store.steps(name)
        store.current(name)
    except UnknownModel:  # published, not promoted: nothing is wrong with that
        return None
    except RegistryError as error:
        print(error)
        return error
    return None
