"""Puts the trained model to every kind of row, before its graph is put to the same."""

from __future__ import annotations

import numpy as np

from convert.coding import Coding, Matrix
from convert.errors import ParityError, SourceError
from convert.oracle import Oracle
from convert.proving.adversary import allowed, attack, survey, ties
from convert.proving.domain import check_domain
from convert.proving.jumps import jumps
from convert.proving.parity import Judged, Say, judge
from convert.proving.splits import splits
from registry.manifest import Signature


def interrogate(
    oracle: Oracle, signature: Signature, model: bytes, data: Matrix | None, random_rows: int, say: Say
) -> list[Judged]:
    """Rows of every kind with the trained model's answers; ``model`` is asked for its thresholds only.

    Raises:
        SourceError: the signature does not allow a row of the data, or allows what the model refuses.
        ParityError: the trained model answers nothing at all.
    """
    kinds = {} if data is None else {"data": _hold_data(data, signature, oracle.coding)}
    known, complete = splits(model)
    ground = survey(signature, known, data, oracle.coding)
    check_domain(oracle, signature, ground)
    if not complete:
        say("looking for thresholds that the graph does not tell")
        known = sorted({*known, *jumps(oracle, ground)})
    judged = judge(oracle, kinds | attack(ground, known, random_rows), say)
    if not judged:
        raise ParityError("not published: the trained model answered none of the rows that were tried")
    if not oracle.has_probabilities:
        return judged
    rows = np.concatenate([part.rows for part in judged])
    close = ties(rows, np.concatenate([part.numbers for part in judged]))
    return judged + (judge(oracle, {"ties": close}, say) if len(close) else [])


def _hold_data(data: Matrix, signature: Signature, coding: Coding) -> Matrix:
    """The rows, if the signature allows every value of them."""
    features = signature.features
    if data.ndim != 2 or data.shape[1] != len(features) or not len(data):
        raise SourceError(f"expected rows of {len(features)} features, came an array of shape {data.shape}")
    low, high = allowed(signature, coding)
    missing = np.isnan(data) & [feature.may_be_missing for feature in features]
    strange = ~(missing | ((data >= low) & (data <= high) & np.isfinite(data)))
    if strange.any():
        row, column = np.argwhere(strange)[0]
        name = features[column].name
        raise SourceError(f"data row {row + 1}: the card does not allow {name} = {data[row, column]}")
    return data
