"""Finds trained models and reads them, whatever kind of file they are in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from convert.errors import ConvertError, SourceError, one_line
from convert.sources import boosters, factory, pickles
from convert.sources.rules import parse

SUFFIXES = (*pickles.SUFFIXES, ".json", ".ubj", ".txt", ".onnx")
MAX_SOURCE_BYTES = 1 << 31
"""2 GiB: a larger graph could not be served either."""
EXPECTED = f"expected a file ending in {', '.join(SUFFIXES)}, or package.module:function"
LIGHTGBM = b"tree\n"
"""The first line of every LightGBM text model."""


@dataclass(frozen=True)
class OnnxFile:
    """A model that is a graph already; ``convert.sources.imported`` takes it on, with recorded answers."""

    path: Path
    content: bytes


def load(path: Path) -> Any:
    """A fitted estimator, a ``RuleList``, or an ``OnnxFile``.

    Reading a pickle, and calling ``package.module:function``, runs code of whoever wrote it.

    Raises:
        SourceError: the file cannot be read, or holds no model that is known here.
    """
    if factory.is_reference(str(path)) and not path.exists():
        return factory.call(str(path))
    if path.suffix not in SUFFIXES:
        raise SourceError(f"{path} is no model file; {EXPECTED}")
    content = _content(path)
    if path.suffix in pickles.SUFFIXES:
        return pickles.read(path, content)
    if path.suffix == ".onnx":
        return OnnxFile(path, content)
    if path.suffix == ".txt":
        return _lightgbm(content, path)
    return boosters.read(content, path) if path.suffix == ".ubj" else _json(content, path)


def find(path: Path) -> list[Path]:
    """The model files of a folder, sorted by name, or the one file.

    JSON and text files that are no models (cards, notes) are left out; those that are not even JSON are kept,
    so that a damaged model is refused by ``load`` and not passed over.

    Raises:
        SourceError: there is none, or two would get the same name.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and _may_be_model(file))
    if not found:
        raise SourceError(f"{path} holds no model; expected files ending in {', '.join(SUFFIXES)}")
    named: dict[str, Path] = {}
    for file in found:
        other = named.setdefault(file.stem, file)
        if other != file:
            raise SourceError(f"{other} and {file} would both be named {file.stem!r}; rename or remove one")
    return found


class _Keys(msgspec.Struct):
    """The keys by which models in JSON are told apart; the rest is skipped unread."""

    rules: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    learner: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _may_be_model(file: Path) -> bool:
    if not file.is_file():
        return False
    if file.suffix == ".txt":
        with file.open("rb") as opened:
            return opened.read(len(LIGHTGBM)) == LIGHTGBM
    if file.suffix != ".json":
        return True
    try:
        keys = msgspec.json.decode(_content(file), type=_Keys)
    except msgspec.ValidationError:
        return False  # JSON, but a list or a number
    except msgspec.DecodeError:
        return True
    return keys.rules is not msgspec.UNSET or keys.learner is not msgspec.UNSET


def _content(path: Path) -> bytes:
    """The whole file, once it is known to be a file and not too large."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise SourceError(f"{path} cannot be read: it is no regular file")
        if size > MAX_SOURCE_BYTES:
            raise SourceError(f"{path} has {size} bytes; at most {MAX_SOURCE_BYTES} are read")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None


def _json(content: bytes, path: Path) -> Any:
    try:
        keys = msgspec.json.decode(content, type=_Keys)
    except msgspec.ValidationError:
        keys = _Keys()
    except msgspec.DecodeError as error:
        raise SourceError(f"{path} is not JSON: {error}") from None
    if keys.rules is not msgspec.UNSET:
        return parse(content, str(path))
    if keys.learner is not msgspec.UNSET:
        return boosters.read(content, path)
    raise SourceError(f"{path} is neither a rule list (key 'rules') nor an xgboost model (key 'learner')")


def _lightgbm(content: bytes, path: Path) -> Any:
    if not content.startswith(LIGHTGBM):
        raise SourceError(f"{path} is no LightGBM text model (of Booster.save_model): no 'tree' in line 1")
    from convert.graphs.families.leafwise import from_text  # loads lightgbm, which nothing else here needs

    try:
        return from_text(content.decode("utf-8"))
    except ConvertError as error:
        raise SourceError(f"{path}: {error}") from error
    except Exception as error:  # lightgbm raises whatever its parser trips over
        raise SourceError(f"{path} is no LightGBM text model: {one_line(error)}") from error
