"""What outlives the process: the number of the last generation, and what was decided at run time."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from server.errors import SettingsError
from server.traffic import Aborted, Rollout


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Content of ``state.json``."""

    generation: int = 0
    override: dict[str, Any] = {}
    aborted: tuple[Aborted, ...] = ()
    rollout: Rollout | None = None


class Writing:
    """One attempt to save, which whoever waits for it may give up, until it has gone too far."""

    def __init__(self) -> None:
        """Neither has happened."""
        self._decided = threading.Lock()

    def replaces(self) -> bool:
        """Said before the file is replaced: whether that is still wanted. It cannot be given up any more."""
        return self._decided.acquire(blocking=False)

    def give_up(self) -> bool:
        """Whether that is still possible; then the file will not be replaced."""
        return self._decided.acquire(blocking=False)


class State:
    """One folder that belongs to one running server."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched yet."""
        self._folder = folder
        self._path = folder / "state.json"
        self._lock: int | None = None

    def load(self) -> Remembered:
        """What was remembered last; the defaults where nothing was.

        Raises:
            SettingsError: the file is there and cannot be understood. It is not guessed at.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except FileNotFoundError:
            return Remembered()
        except (OSError, msgspec.MsgspecError) as error:
            raise SettingsError(
                f"state folder {self._folder}: state.json cannot be read ({error}); repair or remove it"
            ) from None

    def hint(self) -> str:
        """How to forget by hand what was remembered."""
        return f"remove {self._path} to forget it"

    def save(self, remembered: Remembered, writing: Writing | None = None) -> None:
        """Replace the file in one step; after a crash it is the old or the new one, whole.

        Raises:
            OSError: the folder cannot be written, or ``writing`` was given up; the old file is untouched.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._folder / ".state.json.new"
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(remembered))
            file.flush()
            os.fsync(file.fileno())
        if writing and not writing.replaces():
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        temporary.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY)  # the rename, too, must outlive a power cut
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def claim(self) -> None:
        """Keep any other server off this folder until the process ends, if the folder can be written.

        Raises:
            SettingsError: another running server has it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return  # a read-only system still serves; the first reload says that it cannot be remembered
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"state folder {self._folder} belongs to another running server; set MPS_STATE_DIR"
            ) from None
