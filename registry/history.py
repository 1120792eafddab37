"""What was promoted and rolled back: ``<root>/<name>/history.json``, beside the file ``current``.

A step is written before ``current`` is replaced, and the file ``current`` alone says who is current. So a
process that dies between the two leaves a step that never took effect, which shows: what was current stayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from registry.disk import replace
from registry.errors import BrokenEntry
from registry.record import Record, encode
from registry.verdict import Verdict

FILE = "history.json"
MAX_STEPS = 1_000
"""The oldest go first."""

Action = Literal["promote", "rollback"]


class Step(Record, frozen=True, kw_only=True):
    """One change of the current version."""

    time: datetime
    """UTC, whole seconds."""
    action: Action
    version: int
    """What became current."""
    before: int | None
    """What was current until then. None: nothing, or nobody could tell."""
    verdict: Verdict | None = None
    """Of the gates at that moment. None: they were not asked."""
    forced: str = ""
    """Why it was promoted although a gate failed."""


class History(Record, frozen=True, kw_only=True):
    """All steps of one model, oldest first."""

    format: Literal[1] = 1
    steps: tuple[Step, ...] = ()

    def with_step(self, step: Step) -> History:
        """One more; the oldest make room."""
        return History(steps=(*self.steps, step)[-MAX_STEPS:])


def now() -> datetime:
    """UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def read(folder: Path) -> History:
    """The history of the model in a folder; empty where nothing was recorded.

    Raises:
        BrokenEntry: the file cannot be read or is malformed.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=History)
    except FileNotFoundError:
        return History()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValueError as error:  # the root of msgspec's errors, and of bytes that are not UTF-8
        reason = f"is malformed: {error}"
    raise BrokenEntry(f"model {folder.name!r}: its file {FILE!r} {reason}; mend it or move it away")


def write(folder: Path, history: History) -> None:
    """Replace the history of the model in a folder."""
    if history.steps:
        replace(folder / FILE, encode(history))
    else:
        (folder / FILE).unlink(missing_ok=True)


def took_effect(steps: Sequence[Step], current: int | None) -> list[bool]:
    """Which steps were followed by a change of what is current."""
    if not steps:
        return []
    following = [*(step.before for step in steps[1:]), current]
    pairs = zip(steps, following, strict=True)
    return [after == step.version or after != step.before for step, after in pairs]


def way(steps: Sequence[Step], current: int) -> list[int]:
    """Versions that led to the current one, which is the last: a promotion goes on, a rollback goes back.

    Where ``current`` was changed by other means, what it then said is a place on the way, too.
    """
    places: list[int] = []
    for step, took in zip(steps, took_effect(steps, current), strict=True):
        if not took:
            continue
        _arrive(places, step.before)
        if step.action == "rollback":
            while places and places[-1] != step.version:
                places.pop()
        _arrive(places, step.version)
    _arrive(places, current)
    return places


def _arrive(places: list[int], version: int | None) -> None:
    if version is not None and places[-1:] != [version]:
        places.append(version)
