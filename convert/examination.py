"""Examines one fitted estimator: the exact graph and the usual one before the same questions."""

from __future__ import annotations

from typing import Any

import msgspec

from convert.coding import Coding, Matrix
from convert.cost import ratios
from convert.errors import Unconvertible
from convert.graphs.graph import build, natural_dtype
from convert.graphs.targets import target
from convert.oracle import Oracle
from convert.plain import plain
from convert.proving.interrogation import interrogate
from convert.proving.parity import Comparison, Judged, Say
from registry.errors import BrokenEntry
from registry.manifest import Bound, Feature, Parity, Record, Signature
from server.session import Session


class Sum(Record, frozen=True, kw_only=True):
    """A parity, all kinds of rows together."""

    rows: int
    label_mismatches: int
    max_ulp: float
    max_abs_error: float
    within_margin: int
    rows_alone: int
    rows_changed: int
    """Of ``rows_alone``: how many change their bits with the batch."""


class Examination(Record, frozen=True, kw_only=True):
    """What was found."""

    oracle: str
    bound: Bound
    """The target."""
    met: bool
    exact: Sum
    fault: str = ""
    """Where the target was missed."""
    usual: Sum | None = None
    """Of the converters' own float32 graph; None where there is none that runs."""
    usual_fault: str = ""
    cost_one_row: float | None = None
    """Time of the exact graph divided by that of the usual one."""
    cost_batch: float | None = None
    size_bytes: int
    usual_size_bytes: int | None = None


def examine(
    estimator: Any, data: Matrix, random_rows: int, say: Say, coding: Coding | None = None
) -> Examination:
    """Ask both graphs everything that a conversion would ask, and tell; nothing is refused.

    Missing values and infinities are part of it wherever the trained model answers them.

    Raises:
        Unconvertible: there is no exact graph.
        SourceError: the trained model refuses values like those of its own data.
    """
    oracle = Oracle(estimator, coding)
    signature = _signature(oracle, data)
    model = build(oracle, "examined", signature)
    judged = interrogate(oracle, signature, model, data, random_rows, say)
    bound = target(oracle.estimator)
    exact = Session(model, signature)
    parity = _parity(oracle, exact, bound, judged, say)
    found = Examination(
        oracle=oracle.describe,
        bound=bound,
        met=not parity.inexact,
        exact=_sum(parity),
        fault=parity.inexact,
        size_bytes=len(model),
    )
    if oracle.coding.vocabulary:
        return msgspec.structs.replace(found, usual_fault="takes one matrix of float32 numbers, no strings")
    try:
        content = plain(estimator, oracle.n_features)
        usual = Session(content, _single(signature))
        usual_parity = _parity(oracle, usual, bound, judged, say)
    except (Unconvertible, BrokenEntry) as error:
        return msgspec.structs.replace(found, usual_fault=str(error))
    say("timing both")
    one, batch = ratios(exact, usual, data)
    return msgspec.structs.replace(
        found,
        usual=_sum(usual_parity),
        usual_fault=usual_parity.inexact,
        cost_one_row=round(one, 2),
        cost_batch=round(batch, 2),
        usual_size_bytes=len(content),
    )


def _signature(oracle: Oracle, data: Matrix) -> Signature:
    """Without bounds; every feature may be missing whose absence the trained model accepts."""
    dtype = natural_dtype(oracle.estimator)
    features = []
    for number, name in enumerate(oracle.coding.names):
        if number in oracle.coding.vocabulary:
            features.append(Feature(name=name, dtype="string", categories=oracle.coding.vocabulary[number]))
            continue
        row = data[:1].copy()
        row[0, number] = float("nan")
        features.append(Feature(name=name, dtype=dtype, may_be_missing=oracle.accepts(row)))
    return Signature(
        features=tuple(features),
        classes=oracle.classes,
        probabilities=oracle.has_probabilities or not oracle.classes,
    )


def _single(signature: Signature) -> Signature:
    features = tuple(msgspec.structs.replace(feature, dtype="float32") for feature in signature.features)
    return msgspec.structs.replace(signature, features=features)


def _parity(oracle: Oracle, session: Session, bound: Bound, judged: list[Judged], say: Say) -> Parity:
    return Comparison(oracle, session, oracle.classes, bound).run(judged, say, insist=True)[0]


def _sum(parity: Parity) -> Sum:
    return Sum(
        rows=sum(kind.rows for kind in parity.kinds),
        label_mismatches=sum(kind.label_mismatches for kind in parity.kinds),
        max_ulp=max(kind.max_ulp for kind in parity.kinds),
        max_abs_error=max(kind.max_abs_error for kind in parity.kinds),
        within_margin=sum(kind.within_margin for kind in parity.kinds),
        rows_alone=parity.rows_alone,
        rows_changed=parity.rows_changed,
    )
