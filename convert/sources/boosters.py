"""Reads xgboost's own model files.

Its loader trusts what it reads: damaged files have ended the process, in every way that C++ knows. So a file
is first read in a process that may die, and the trees are checked before anything walks them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from xgboost import Booster, XGBClassifier, XGBRegressor, config_context
from xgboost.libpath import find_lib_path

from convert.errors import SourceError, one_line

TRIAL = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.XGBGetLastError.restype = ctypes.c_char_p
content = sys.stdin.buffer.read()
booster, length, written = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_char_p()
library.XGBSetGlobalConfig(b'{"verbosity": 0}')
if (
    library.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(booster))
    or library.XGBoosterLoadModelFromBuffer(booster, content, ctypes.c_uint64(len(content)))
    or library.XGBoosterSaveModelToBuffer(
        booster, b'{"format": "json"}', ctypes.byref(length), ctypes.byref(written)
    )
):
    said = library.XGBGetLastError().decode("utf-8", "replace").strip().splitlines()
    sys.exit(said[0] if said else 1)
"""
"""The C library alone, which takes a tenth of the time that Python's xgboost takes to start."""
PATIENCE_S = 60
BYTES_PER_S = 10_000_000
"""How slow the trial may be before it counts as hung."""
UNSERVED = {"rank": "it ranks groups of rows", "survival": "it models survival times"}
CLASSIFIES, REGRESSES = ("binary", "multi"), ("reg", "count")


class _Objective(msgspec.Struct):
    name: str


class _Learner(msgspec.Struct):
    objective: _Objective
    gradient_booster: dict[str, Any]
    learner_model_param: dict[str, str]
    attributes: dict[str, str] = {}

    @property
    def trees(self) -> list[dict[str, Any]]:
        """Of gbtree, or of dart, which holds one; none of gblinear."""
        inner = self.gradient_booster.get("gbtree", self.gradient_booster)
        trees: list[dict[str, Any]] = inner.get("model", {}).get("trees", [])
        return trees


class _Document(msgspec.Struct):
    learner: _Learner


def read(content: bytes, path: Path) -> XGBClassifier | XGBRegressor:
    """The classifier or regressor in a ``.json`` or ``.ubj`` file; a random forest's is one of these as well.

    Raises:
        SourceError: it is damaged, ranks, models survival, or has several outputs.
    """
    if len(content) < 2 or content[:1] != b"{":  # the loader ends the process over an empty file
        raise SourceError(f"{path} is not an xgboost model: it does not begin like one")
    _try_elsewhere(content, path)
    try:
        with config_context(verbosity=0):
            booster = Booster()
            booster.load_model(bytearray(content))
            learner = msgspec.json.decode(booster.save_raw("json"), type=_Document).learner
            _check_trees(learner)
            model = _kind(learner, path)()
            model.load_model(bytearray(content))
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  of the loader, of JSON, of trees that do not add up
        raise SourceError(f"{path} is not an xgboost model: {one_line(error)}") from None
    return model


def _try_elsewhere(content: bytes, path: Path) -> None:
    command = [sys.executable, "-P", "-c", TRIAL, find_lib_path()[0]]
    patience = PATIENCE_S + len(content) / BYTES_PER_S
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path} is not an xgboost model: xgboost hangs when it reads it") from None
    if done.returncode < 0:
        raise SourceError(f"{path} is not an xgboost model: xgboost dies of it (signal {-done.returncode})")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["xgboost refuses it"]
        raise SourceError(f"{path} is not an xgboost model: {said[-1][:200]}")


def _kind(learner: _Learner, path: Path) -> type[XGBClassifier | XGBRegressor]:
    """By what the estimator said of itself when it was saved, else by the objective."""
    objective = learner.objective.name
    family = objective.partition(":")[0]
    wrote = msgspec.json.decode(learner.attributes.get("scikit_learn", "{}")).get("_estimator_type")
    if family in UNSERVED or wrote == "ranker":
        why = UNSERVED.get(family, UNSERVED["rank"])
        raise SourceError(
            f"{path}: an xgboost model with objective {objective!r} cannot be served: {why}; expected a "
            "classifier or a regressor"
        )
    outputs = int(learner.learner_model_param.get("num_target", "1"))
    if outputs > 1:
        raise SourceError(f"{path}: this xgboost model has {outputs} outputs; fit one model per output")
    if wrote == "classifier" or (wrote is None and family in CLASSIFIES):
        return XGBClassifier
    if wrote == "regressor" or family in REGRESSES:
        return XGBRegressor
    raise SourceError(f"{path}: the objective {objective!r} is neither a classifier's nor a regressor's")


def _check_trees(learner: _Learner) -> None:
    """Refuse trees whose walk would leave the tree, the row, or never end."""
    features = int(learner.learner_model_param["num_feature"])
    for number, tree in enumerate(learner.trees):
        left, right, split = (
            np.array(tree[key], np.int64) for key in ("left_children", "right_children", "split_indices")
        )
        children = np.concatenate([left[left != -1], right[right != -1]])
        sound = len(left) == len(right) == len(split) > 0 and np.array_equal(left == -1, right == -1)
        # every node the child of at most one, and the root of none: so there is no way round
        sound = sound and len(np.unique(children)) == len(children)
        sound = sound and (not len(children) or (children.min() > 0 and children.max() < len(left)))
        inner = split[left != -1] if sound else split[:0]
        if not sound or (len(inner) and (inner.min() < 0 or inner.max() >= features)):
            raise ValueError(f"tree {number} is damaged")
