"""Who takes part in a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bench.errors import LoadFailed, ToolMissing
from bench.targets.node import Fastify
from bench.targets.pythons import BareRsgi, BareWsgi, ConstantRsgi, ConstantWsgi, Popular
from bench.targets.shelf import Shelf
from bench.targets.target import Ours, Target

Maker = Callable[[Shelf], Target]
OURS = "ours"
NO_SETTINGS: Mapping[str, Any] = {}


class Roster(NamedTuple):
    """Those who can, and why the others cannot."""

    targets: list[Target]
    left_out: dict[str, str]


def chosen(names: Sequence[str] = (), settings: Mapping[str, Any] = NO_SETTINGS) -> dict[str, Maker]:
    """Targets by name, ours first.

    Args:
        names: only these; none: all.
        settings: of our server.

    Raises:
        LoadFailed: there is no target with such a name.
    """
    known: dict[str, Maker] = {
        OURS: lambda shelf: Ours(shelf, settings),
        "ours asgi": lambda shelf: Ours(shelf, {**settings, "interface": "asgi"}, "ours asgi"),
    }
    others = (BareRsgi, BareWsgi, ConstantRsgi, ConstantWsgi, Popular, Fastify)
    known |= {target.name: target for target in others}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LoadFailed(f"no target {unknown[0]!r}; there are: {', '.join(known)}")
    return {name: maker for name, maker in known.items() if name in (names or known)}


def called(makers: Mapping[str, Maker], shelf: Shelf) -> Roster:
    """The targets, in their order and not started yet; without those whose tools are missing."""
    targets, left_out = [], {}
    for name, maker in makers.items():
        try:
            targets.append(maker(shelf))
        except ToolMissing as error:
            left_out[name] = str(error)
    return Roster(targets, left_out)
