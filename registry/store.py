"""Reads and writes entries under one root folder.

``<root>/<name>/<version>/`` holds ``model.onnx``, ``manifest.json``, ``golden.json`` and ``SHA256SUMS``,
which covers the other three (``sha256sum -c SHA256SUMS`` checks an entry by hand). ``<root>/<name>/current``
holds the number of the current version; ``history.json`` beside it, how it got there. A version never changes
once it is there; ``current`` is replaced by one rename.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from registry import history
from registry.disk import sync, write
from registry.errors import BrokenEntry, PromotionRefused, PublishRefused, UnknownModel
from registry.history import Action, Step
from registry.manifest import NAME, Golden, Manifest, check_name, parse_reference
from registry.offer import check, same
from registry.pointer import Consent, move
from registry.record import Record, encode

MODEL, MANIFEST, GOLDEN, SEAL = "model.onnx", "manifest.json", "golden.json", "SHA256SUMS"
SEALED = (GOLDEN, MANIFEST, MODEL)
SEAL_TEXT = re.compile("".join(rf"([0-9a-f]{{64}})  {re.escape(name)}\n" for name in SEALED))
MAX_FILE_BYTES = 1 << 31
"""2 GiB: onnxruntime takes no larger model in one piece."""

NUMBER = re.compile(r"[1-9][0-9]*")
"""How a version is written; whatever else lies beside the versions is none of ours."""

R = TypeVar("R", bound=Record)


class Entry(msgspec.Struct, frozen=True):
    """A sealed model whose every byte has been checked."""

    manifest: Manifest
    golden: Golden
    model: bytes
    """The very bytes that the digest was taken of; nothing is read twice."""
    seal: str
    """sha256 of the entry's ``SHA256SUMS``: equal seals, equal entries."""


class Store:
    """A registry root."""

    def __init__(self, root: Path) -> None:
        """Nothing is read before it is asked for."""
        self.root = root

    def names(self) -> list[str]:
        """Models that have a current version, sorted."""
        found = (path.parent.name for path in self.root.glob("*/current"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def published(self) -> list[str]:
        """Models that have a version, current or not, sorted."""
        found = {path.parent.name for path in self.root.glob("*/[1-9]*") if _is_number(path)}
        return sorted(name for name in found if NAME.fullmatch(name))

    def versions(self, name: str) -> list[int]:
        """Published versions, ascending; sound or not is told when one is read.

        Raises:
            InvalidName: it is not a model name.
            UnknownModel: nothing is published under the name.
        """
        check_name(name)
        found = sorted(int(path.name) for path in (self.root / name).glob("[1-9]*") if _is_number(path))
        if not found:
            raise UnknownModel(f"no model {name!r} in the registry; there are: {_listing(self.names())}")
        return found

    def current(self, name: str) -> int:
        """The version that is served when none is named.

        Raises:
            UnknownModel: there is no such model, or nothing of it was promoted.
            BrokenEntry: the file ``current`` does not name a published version.
        """
        versions = self.versions(name)
        try:
            version = int((self.root / name / "current").read_text("ascii"))
        except FileNotFoundError:
            raise UnknownModel(
                f"model {name!r} has no current version; run: mps models promote {name}@{versions[-1]}"
            ) from None
        except ValueError:
            raise BrokenEntry(f"model {name!r}: its file 'current' does not hold a version number") from None
        except OSError as error:
            raise BrokenEntry(
                f"model {name!r}: its file 'current' cannot be read: {error.strerror}"
            ) from None
        if version not in versions:
            raise BrokenEntry(
                f"model {name!r}: 'current' says version {version}; there are: {_listing(versions)}"
            )
        return version

    def resolve(self, reference: str) -> tuple[str, int]:
        """``name`` or ``name@version`` to a version that exists.

        Raises:
            InvalidName, UnknownModel, BrokenEntry
        """
        name, version = parse_reference(reference)
        if version is None:
            return name, self.current(name)
        if version not in (versions := self.versions(name)):
            raise UnknownModel(f"no version {version} of model {name!r}; there are: {_listing(versions)}")
        return name, version

    def seal(self, name: str, version: int) -> str:
        """Identity of an entry, without reading the model.

        Raises:
            BrokenEntry: the seal cannot be read.
        """
        return _digest(self._bytes(name, version, SEAL))

    def manifest(self, name: str, version: int) -> Manifest:
        """The entry's manifest, checked against the seal.

        Raises:
            BrokenEntry: it is missing, altered, malformed or of another entry.
        """
        return self._manifest(name, version, _parse_seal(name, version, self._bytes(name, version, SEAL)))

    def read(self, name: str, version: int) -> Entry:
        """The whole entry, every byte checked.

        Raises:
            BrokenEntry: a file is missing, altered or malformed.
        """
        seal = self._bytes(name, version, SEAL)
        sums = _parse_seal(name, version, seal)
        manifest = self._manifest(name, version, sums)
        golden = self._record(name, version, GOLDEN, sums, Golden)
        try:
            golden.check_fits(manifest.signature)
        except ValueError as error:
            raise BrokenEntry(f"{name}@{version}: {GOLDEN}: {error}") from None
        model = self._sealed(name, version, MODEL, sums)
        if _digest(model) != manifest.sha256:
            raise BrokenEntry(f"{name}@{version}: {MODEL} is not the one that the manifest describes")
        return Entry(manifest, golden, model, _digest(seal))

    def publish(self, manifest: Manifest, model: bytes, golden: Golden) -> tuple[int, bool]:
        """Seal a new version, or find that the newest one is the same but for what was measured.

        ``manifest.version`` is ignored; the next free number is taken.

        Returns:
            The version, and whether it is new.

        Raises:
            PublishRefused: the manifest does not describe these bytes, or the folder cannot be written.
        """
        check_name(manifest.name)
        check(manifest, model, golden)
        home = self.root / manifest.name
        try:
            home.mkdir(parents=True, exist_ok=True)
            while True:
                newest = max((int(path.name) for path in home.glob("[1-9]*") if _is_number(path)), default=0)
                if newest and self._same(manifest, golden, newest):
                    return newest, False
                if self._seal_new(home, newest + 1, manifest, model, golden):
                    return newest + 1, True
        except OSError as error:
            raise PublishRefused(f"{manifest.name}: cannot write to the registry: {error.strerror}") from None

    def promote(self, reference: str, consent: Consent | None = None) -> tuple[str, int]:
        """Make a version the current one, and write it into the history; nothing changes where it is already.

        Args:
            reference: without a version the newest is meant.
            consent: asked right before, while nobody else can promote.

        Raises:
            InvalidName, UnknownModel, BrokenEntry: there is no such sound entry; nothing changed.
            RegistryError: the registry cannot be written, or there was no consent; nothing changed.
        """
        name, version = self.newest(reference)
        self._move(name, version, "promote", consent)
        return name, version

    def newest(self, reference: str) -> tuple[str, int]:
        """As ``resolve``, but without a version the newest is meant.

        Raises:
            InvalidName, UnknownModel
        """
        name, version = parse_reference(reference)
        return (name, self.versions(name)[-1]) if version is None else self.resolve(reference)

    def rollback(self, name: str) -> tuple[str, int]:
        """Make the version current that was it before, see ``way_back``. The gates are not asked.

        Raises:
            UnknownModel: there is none.
            PromotionRefused: somebody else promoted meanwhile; nothing changed.
        """
        now = self.current(name)
        version, _ = self.way_back(name)

        def still(before: int | None) -> tuple[None, str]:
            if before != now:
                raise PromotionRefused(f"{name}: {before} became current meanwhile; nothing changed")
            return None, ""

        self._move(name, version, "rollback", still)
        return name, version

    def way_back(self, name: str) -> tuple[int, bool]:
        """What a rollback makes current: what was it before, by the history; else the next older version.

        Returns:
            The version, and whether the history knows it.

        Raises:
            UnknownModel: there is neither.
            BrokenEntry: the history cannot be read.
        """
        now, versions = self.current(name), self.versions(name)
        for version in reversed(history.way(self.steps(name), now)):
            if version != now and version in versions:
                return version, True
        older = [version for version in versions if version < now]
        if not older:
            raise UnknownModel(f"model {name!r}: no version older than the current one, {now}")
        return older[-1], False

    def steps(self, name: str) -> tuple[Step, ...]:
        """Promotions and rollbacks that were recorded, oldest first.

        Raises:
            InvalidName: it is not a model name.
            BrokenEntry: the history cannot be read or is malformed.
        """
        check_name(name)
        return history.read(self.root / name).steps

    def current_or_none(self, name: str) -> int | None:
        """The current version, or None where there is none or nobody can tell."""
        try:
            return self.current(name)
        except (UnknownModel, BrokenEntry):
            return None

    def _move(self, name: str, version: int, action: Action, consent: Consent | None) -> None:
        self.read(name, version)
        move(self.root / name, version, action, partial(self.current_or_none, name), consent)

    def _same(self, manifest: Manifest, golden: Golden, version: int) -> bool:
        try:
            entry = self.read(manifest.name, version)
        except BrokenEntry:
            return False
        return same(manifest, golden, entry.manifest, entry.golden)

    def _seal_new(self, home: Path, version: int, manifest: Manifest, model: bytes, golden: Golden) -> bool:
        """Write the entry; False when another publisher took the number first."""
        files = {
            MODEL: model,
            MANIFEST: encode(msgspec.structs.replace(manifest, version=version)),
            GOLDEN: encode(golden),
        }
        files[SEAL] = "".join(f"{_digest(files[name])}  {name}\n" for name in SEALED).encode()
        work = Path(tempfile.mkdtemp(prefix=".incoming-", dir=home))
        try:
            for name, content in files.items():
                write(work / name, content)
            work.chmod(0o755)
            sync(work)
            work.rename(home / str(version))
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)  # finds nothing once the rename is done
        sync(home)
        return True

    def _manifest(self, name: str, version: int, sums: dict[str, str]) -> Manifest:
        manifest = self._record(name, version, MANIFEST, sums, Manifest)
        if (manifest.name, manifest.version) != (name, version):
            raise BrokenEntry(f"{name}@{version}: its manifest says {manifest.reference}; publish it anew")
        return manifest

    def _record(self, name: str, version: int, file: str, sums: dict[str, str], kind: type[R]) -> R:
        try:
            return msgspec.json.decode(self._sealed(name, version, file, sums), type=kind)
        except ValueError as error:  # the root of msgspec's errors, and of bytes that are not UTF-8
            raise BrokenEntry(f"{name}@{version}: {file}: {error}") from None

    def _sealed(self, name: str, version: int, file: str, sums: dict[str, str]) -> bytes:
        content = self._bytes(name, version, file)
        if _digest(content) != sums[file]:
            raise BrokenEntry(f"{name}@{version}: {file} was altered after it was sealed; publish it anew")
        return content

    def _bytes(self, name: str, version: int, file: str) -> bytes:
        check_name(name)
        path = self.root / name / str(version) / file
        try:
            # Not blocking: what lies there may be a pipe that nobody writes to.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
                found = os.fstat(opened.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
                    raise BrokenEntry(
                        f"{name}@{version}: {file} is no regular file of at most {MAX_FILE_BYTES} bytes"
                    )
                return opened.read(MAX_FILE_BYTES)
        except OSError as error:
            raise BrokenEntry(f"{name}@{version}: {file} cannot be read: {error.strerror}") from None


def _parse_seal(name: str, version: int, seal: bytes) -> dict[str, str]:
    found = SEAL_TEXT.fullmatch(seal.decode("ascii", "replace"))
    if found is None:
        raise BrokenEntry(f"{name}@{version}: {SEAL} does not cover exactly {_listing(SEALED)}")
    return dict(zip(SEALED, found.groups(), strict=True))


def _is_number(path: Path) -> bool:
    return NUMBER.fullmatch(path.name) is not None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _listing(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
