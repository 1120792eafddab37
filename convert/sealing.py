"""The whole way of a model: estimator to graph, proof, manifest, registry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import onnx

from convert.coding import Matrix
from convert.errors import ParityError, SourceError, Unconvertible
from convert.graphs.graph import build
from convert.graphs.targets import parts, target
from convert.measure import measure
from convert.oracle import Oracle
from convert.proving.adversary import RANDOM_ROWS
from convert.proving.goldenrows import golden
from convert.proving.interrogation import interrogate
from convert.proving.parity import Comparison, Say, judge
from convert.sources.imported import Recorded
from convert.sources.rules import RuleList
from registry.errors import BrokenEntry
from registry.manifest import Card, Golden, Manifest
from registry.store import MAX_FILE_BYTES, Entry
from server.model import Model
from server.session import Session

LIBRARIES = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}
"""First part of an estimator's module to the package that trained it."""


@dataclass(frozen=True)
class Sealed:
    """A proven model, ready to be published."""

    manifest: Manifest
    """Its version is 0 until the registry gives it one."""
    model: bytes
    golden: Golden


def silence(_: str) -> None:
    """Hear of a step and say nothing."""


def seal(
    oracle: Oracle | Recorded,
    name: str,
    card: Card,
    data: Matrix | None = None,
    *,
    random_rows: int = RANDOM_ROWS,
    insist: bool = False,
    say: Say = silence,
) -> Sealed:
    """Convert and prove without publishing; ``say`` hears of every step.

    ``data`` is ``(n, features) float64`` as ``oracle.coding`` tells rows, usually those of the training. With
    ``insist`` a model that misses its target is sealed all the same, with a bound that it holds.

    Raises:
        ConvertError: the model has no faithful graph, does not fit its card, or answers otherwise.
    """
    _fit(oracle, card)
    say("building the graph")
    model = oracle.model if isinstance(oracle, Recorded) else build(oracle, name, card.signature)
    if len(model) > MAX_FILE_BYTES:
        raise Unconvertible(
            f"the graph takes {len(model)} bytes, more than the {MAX_FILE_BYTES} that a runtime loads in one "
            "piece; train fewer or smaller trees"
        )
    session = Session(model, card.signature)
    if isinstance(oracle, Recorded):  # nothing was recorded of any other row
        bound, judged = oracle.bound, judge(oracle, {"data": oracle.rows}, say)
    else:
        bound = target(oracle.estimator)
        judged = interrogate(oracle, card.signature, model, data, random_rows, say)
    comparison = Comparison(oracle, session, card.signature.classes, bound)
    parity, compared = comparison.run(judged, say, insist)
    rows = golden(compared, card.signature.classes, oracle.coding)
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
    _serve(manifest, model, rows)
    return Sealed(manifest, model, rows)


def _serve(manifest: Manifest, model: bytes, golden: Golden) -> None:
    """Do what a server does with the entry, so that none is published that a server would not load."""
    try:
        Model(Entry(manifest, golden, model, seal=""))
    except BrokenEntry as error:
        raise ParityError(f"not published: no server would load it: {error}") from None


def _fit(oracle: Oracle | Recorded, card: Card) -> None:
    """Hold the card against the estimator."""
    signature = card.signature
    if signature.task != oracle.task:
        raise SourceError(f"the card is that of a {signature.task}, the model that of a {oracle.task}")
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
    numbered = [str(label) for label in oracle.classes] == [str(n) for n in range(len(oracle.classes))]
    renamed = not set(map(str, signature.classes)) & set(map(str, oracle.classes))
    if not numbered and not renamed and signature.classes != oracle.classes:
        raise SourceError(
            f"the classes are to be called {signature.classes}, the model calls them {oracle.classes}; "
            "give them in the model's order, or names that are all new"
        )
    if signature.probabilities != (oracle.has_probabilities or not oracle.classes):
        has = "has" if oracle.has_probabilities else "has no"
        raise SourceError(
            f"the card says probabilities: {signature.probabilities}, the model {has} predict_proba"
        )
    if isinstance(oracle, Recorded):  # its graph takes what it takes; the session holds it to the card
        return
    numbers = {feature.dtype for feature in signature.features} - {"string"}
    if not numbers <= {"float32", "float64"} or len(numbers) > 1:
        raise SourceError(
            f"expected numbers of one dtype, float32 or float64; the card says {sorted(numbers)}"
        )


def _versions(estimator: Any) -> dict[str, str]:
    """Of every library that had a part in the model, in the graph or in the proof."""
    used = {"onnx", "onnxruntime", "numpy"}
    if estimator is not None and not isinstance(estimator, RuleList):
        packages = {type(part).__module__.partition(".")[0] for part in parts(estimator)}
        used |= {"skl2onnx", *(LIBRARIES[package] for package in packages if package in LIBRARIES)}
    return {package: version(package) for package in sorted(used)}
