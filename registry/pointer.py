"""Moves the file ``current`` of one model, and writes down that it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from registry import history
from registry.disk import replace, turn
from registry.errors import RegistryError
from registry.verdict import Verdict

FILE = "current"

Consent = Callable[[int | None], tuple[Verdict | None, str]]
"""Hears which version is current. Gives the verdict of the gates and why they are overruled (empty where they
are not); or raises RegistryError."""


def move(
    folder: Path,
    version: int,
    action: history.Action,
    current: Callable[[], int | None],
    consent: Consent | None = None,
) -> None:
    """Make a version the current one, unless it is already.

    The step goes into the history first, then the pointer is replaced by one rename: whoever dies in between
    has changed nothing that is served.

    Args:
        folder: of the model.
        version: what is to be current.
        action: why, for the history.
        current: says what is current. It is asked once, while nobody else can move the pointer,
        consent: and so is this.

    Raises:
        RegistryError: the registry cannot be written, the history is malformed, or there was no consent;
            nothing changed.
    """
    try:
        with turn(folder):
            before = current()
            if before == version:
                return
            verdict, forced = consent(before) if consent else (None, "")
            old = history.read(folder)
            step = history.Step(
                time=history.now(),
                action=action,
                version=version,
                before=before,
                verdict=verdict,
                forced=forced,
            )
            history.write(folder, old.with_step(step))
            try:
                replace(folder / FILE, f"{version}\n".encode())
            except OSError:
                history.write(folder, old)
                raise
    except OSError as error:
        raise RegistryError(f"{folder.name}: cannot write to the registry: {error.strerror}") from None
