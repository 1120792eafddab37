"""Reads and writes entries under one root folder.

``<root>/<name>/<version>/`` holds ``model.onnx``, ``manifest.json``, ``golden.json`` and ``SHA256SUMS``,
which covers the other three (``sha256sum -c SHA256SUMS`` checks an entry by hand). ``<root>/<name>/current``
holds the number of the current version. A version never changes once it is there; ``current`` is replaced by
one rename.
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
from pathlib import Path
from typing import TypeVar

import msgspec

from registry.errors import BrokenEntry, PublishRefused, RegistryError, UnknownModel
from registry.manifest import NAME, Golden, Manifest, Measured, Record, check_name, encode, parse_reference

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
        _check_offer(manifest, model, golden)
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

    def promote(self, reference: str) -> tuple[str, int]:
        """Make a version the current one.

        Raises:
            InvalidName, UnknownModel, BrokenEntry: there is no such sound entry; nothing changed.
            RegistryError: the registry cannot be written; nothing changed.
        """
        name, version = parse_reference(reference)
        if version is None:
            version = self.versions(name)[-1]
        self.resolve(f"{name}@{version}")
        self.read(name, version)
        try:
            _replace(self.root / name / "current", f"{version}\n".encode())
        except OSError as error:
            raise RegistryError(f"{name}: cannot write to the registry: {error.strerror}") from None
        return name, version

    def rollback(self, name: str) -> tuple[str, int]:
        """Make the next older version the current one.

        Raises:
            UnknownModel: there is no older version.
        """
        now = self.current(name)
        older = [version for version in self.versions(name) if version < now]
        if not older:
            raise UnknownModel(f"model {name!r}: no version older than the current one, {now}")
        return self.promote(f"{name}@{older[-1]}")

    def _same(self, manifest: Manifest, golden: Golden, version: int) -> bool:
        try:
            entry = self.read(manifest.name, version)
        except BrokenEntry:
            return False
        pairs = (golden, entry.golden), (_unmeasured(manifest), _unmeasured(entry.manifest))
        return all(_told(mine) == _told(theirs) for mine, theirs in pairs)

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
                _write(work / name, content)
            work.chmod(0o755)
            _sync(work)
            work.rename(home / str(version))
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)  # finds nothing once the rename is done
        _sync(home)
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


def _check_offer(manifest: Manifest, model: bytes, golden: Golden) -> None:
    """Refuse what could not be read back as the same: another model, NaN, rows of another signature.

    Raises:
        PublishRefused
    """
    if _digest(model) != manifest.sha256:
        raise PublishRefused(f"{manifest.name}: the manifest's sha256 is not that of the model offered")
    try:
        for record in (manifest, golden):
            if msgspec.json.decode(encode(record), type=type(record)) != record:
                raise ValueError("it holds a number that JSON does not have")
        golden.check_fits(manifest.signature)
    except ValueError as error:
        raise PublishRefused(f"{manifest.name}: {type(record).__name__.lower()}: {error}") from None


def _unmeasured(manifest: Manifest) -> Manifest:
    nothing = Measured(latency_p50_us=0, latency_p99_us=0, memory_bytes=0, machine="")
    return msgspec.structs.replace(manifest, version=0, measured=nothing)


def _told(record: Record) -> bytes:
    """What a reader learns of it: a bound of 1 is one of 1.0, while a label 1 is neither 1.0 nor true."""
    return encode(msgspec.json.decode(encode(record), type=type(record)))


def _is_number(path: Path) -> bool:
    return NUMBER.fullmatch(path.name) is not None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".current-", dir=path.parent)
    os.close(descriptor)
    try:
        _write(Path(temporary), content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listing(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
