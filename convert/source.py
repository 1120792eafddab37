"""Reads trained models from files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import msgspec
from xgboost import XGBClassifier
from xgboost.core import XGBoostError

from convert.errors import SourceError
from convert.rules import RuleList, parse

PICKLES = (".joblib", ".pkl", ".pickle")
SUFFIXES = (*PICKLES, ".json", ".ubj")


def load(path: Path) -> Any:
    """A fitted estimator. Reading a pickle runs code that is in it: only read pickles that you trust.

    Raises:
        SourceError: the file cannot be read, or holds no model that is known here.
    """
    if path.suffix not in SUFFIXES:
        raise SourceError(f"{path} is no model file; expected one ending in {', '.join(SUFFIXES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix in PICKLES:
        return _pickle(path)
    return _booster(content, path) if path.suffix == ".ubj" else _json(content, path)


def find(path: Path) -> list[Path]:
    """The model files of a folder, sorted by name, or the one file.

    Raises:
        SourceError: there is none, or two would get the same name.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise SourceError(f"{path} holds no model; expected files ending in {', '.join(SUFFIXES)}")
    for one, other in pairwise(found):
        if one.stem == other.stem:
            raise SourceError(f"{one} and {other} would both be named {one.stem!r}; rename or remove one")
    return found


def _pickle(path: Path) -> Any:
    try:
        return joblib.load(path)
    except Exception as error:  # unpickling raises whatever the content makes it raise
        raise SourceError(f"{path} cannot be unpickled: {type(error).__name__}: {error}") from error


def _json(content: bytes, path: Path) -> RuleList | XGBClassifier:
    try:
        document = msgspec.json.decode(content)
    except msgspec.MsgspecError as error:
        raise SourceError(f"{path} is not JSON: {error}") from None
    if isinstance(document, dict) and "rules" in document:
        return parse(content, str(path))
    if isinstance(document, dict) and "learner" in document:
        return _booster(content, path)
    raise SourceError(f"{path} is neither a rule list (key 'rules') nor an xgboost model (key 'learner')")


def _booster(content: bytes, path: Path) -> XGBClassifier:
    model = XGBClassifier()
    try:
        model.load_model(bytearray(content))
    except (XGBoostError, TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise SourceError(f"{path} is not an xgboost classifier: {reason}") from None
    return model
