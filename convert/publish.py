"""The whole way of a model: estimator to graph, proof, manifest, registry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from xgboost import XGBClassifier

from convert.adversary import RANDOM_ROWS, Matrix, allowed, attack, survey, ties
from convert.errors import SourceError
from convert.graph import build, probability_bound
from convert.jumps import jumps
from convert.measure import measure
from convert.oracle import Oracle
from convert.parity import Judged, Say, compare, golden, judge
from convert.rules import RuleList
from convert.splits import Split, splits
from registry.manifest import Card, Dtype, Golden, Manifest
from registry.store import Store
from server.session import Session


@dataclass(frozen=True)
class Sealed:
    """A proven model, ready to be published."""

    manifest: Manifest
    """Its version is 0 until the registry gives it one."""
    model: bytes
    golden: Golden


def _silence(_: str) -> None:
    pass


def convert(
    estimator: Any, name: str, card: Card, store: Store, data: Matrix | None = None
) -> tuple[int, bool]:
    """Convert, prove and publish; promoting is another step.

    ``data`` is ``(n, features) float64``, usually the training rows.

    Returns:
        The version, and whether it is new.

    Raises:
        ConvertError: nothing was published; the text says why.
        RegistryError: the registry refused.
    """
    sealed = seal(estimator, name, card, data)
    return store.publish(sealed.manifest, sealed.model, sealed.golden)


def seal(
    estimator: Any,
    name: str,
    card: Card,
    data: Matrix | None = None,
    random_rows: int = RANDOM_ROWS,
    say: Say = _silence,
) -> Sealed:
    """Convert and prove without publishing; ``say`` hears of every step.

    Raises:
        ConvertError: the model has no faithful graph, does not fit its card, or answers otherwise.
    """
    oracle = Oracle(estimator)
    dtype = _fit(oracle, card)
    say("building the graph")
    model = build(oracle, name, dtype)
    session = Session(model, card.signature)
    judged = _judge(oracle, card, splits(model), data, random_rows, say)
    parity = compare(oracle, session, judged, probability_bound(oracle.estimator), say)
    rows = golden(judged, card.signature.classes)
    say("measuring")
    manifest = Manifest(
        name=name,
        version=0,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        opsets={opset.domain: opset.version for opset in onnx.load_from_string(model).opset_import},
        versions=_versions(oracle.estimator),
        card=card,
        parity=parity,
        measured=measure(model, card.signature, rows.inputs[0]),
    )
    return Sealed(manifest, model, rows)


def _judge(
    oracle: Oracle, card: Card, known: list[Split], data: Matrix | None, random_rows: int, say: Say
) -> list[Judged]:
    kinds = {} if data is None else {"data": _hold_data(data, card)}
    ground = survey(card.signature, known, data)
    if not known:
        say("looking for thresholds that the graph does not tell")
        known = jumps(oracle, ground)
    judged = judge(oracle, kinds | attack(ground, known, random_rows), say)
    rows = np.concatenate([part.rows for part in judged])
    close = ties(rows, np.concatenate([part.probabilities for part in judged]))
    return judged + (judge(oracle, {"ties": close}, say) if len(close) else [])


def _hold_data(data: Matrix, card: Card) -> Matrix:
    """The rows, if the signature allows every value of them."""
    features = card.signature.features
    if data.ndim != 2 or data.shape[1] != len(features) or not len(data):
        raise SourceError(f"expected rows of {len(features)} features, came an array of shape {data.shape}")
    low, high = allowed(card.signature)
    missing = np.isnan(data) & [feature.may_be_missing for feature in features]
    strange = ~(missing | ((data >= low) & (data <= high) & np.isfinite(data)))
    if strange.any():
        row, column = np.argwhere(strange)[0]
        name = features[column].name
        raise SourceError(f"data row {row + 1}: the card does not allow {name} = {data[row, column]}")
    return data


def _fit(oracle: Oracle, card: Card) -> Dtype:
    """The one dtype of the features, after holding the card against the estimator."""
    signature = card.signature
    if len(signature.features) != oracle.n_features:
        raise SourceError(
            f"the card has {len(signature.features)} features, the model takes {oracle.n_features}"
        )
    if oracle.names not in (None, signature.names):
        raise SourceError(
            f"the card's features are {signature.names}, the model was fitted on {oracle.names}"
        )
    if len(signature.classes) != len(oracle.classes):
        raise SourceError(
            f"the card has {len(signature.classes)} classes, the model has {len(oracle.classes)}"
        )
    numbered = oracle.classes == tuple(str(number) for number in range(len(oracle.classes)))
    if not numbered and signature.classes != oracle.classes:
        raise SourceError(f"the card's classes are {signature.classes}, the model's are {oracle.classes}")
    dtypes = {feature.dtype for feature in signature.features}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise SourceError(
            f"expected features of one dtype, float32 or float64; the card says {sorted(dtypes)}"
        )
    return dtypes.pop()


def _versions(estimator: Any) -> dict[str, str]:
    if isinstance(estimator, RuleList):
        used = ["onnx"]
    elif isinstance(estimator, XGBClassifier):
        used = ["xgboost", "onnxmltools", "onnx"]
    else:
        used = ["scikit-learn", "skl2onnx", "onnx"]
    return {package: version(package) for package in sorted([*used, "onnxruntime", "numpy"])}
