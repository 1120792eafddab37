"""Categories as numbers.

What an encoder makes of each category is not derived from its many settings (unknown, infrequent, dropped and
missing categories) but asked: the fitted encoder transforms one row per category. What comes back is a table
per feature, and the graph looks up tables. So it is exact, and right in every version of scikit-learn.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from convert.errors import Unconvertible
from convert.graphs.frame import Columns, select
from convert.graphs.registration import EXACT, register
from convert.graphs.writer import BOOL, DOUBLE, FLOAT, INT64, STRING, Tensor, Writer

Matrix = NDArray[np.float64]
UNSEEN = "\x00no category that anybody has seen"
MISSING = -1.2345678901234567e300
"""Stands for NaN where numbers are compared, as NaN equals nothing."""


class Table(NamedTuple):
    """What becomes of one feature."""

    categories: NDArray[Any]
    """``(k,)`` strings, or float64 with ``MISSING`` for NaN."""
    outputs: Matrix
    """``(k, columns)``: what the encoder gives where this feature has that category."""
    unknown: Matrix
    """``(columns,)``: what it gives for any other."""

    @property
    def strings(self) -> bool:
        """Whether the feature is one of strings."""
        return self.categories.dtype.kind == "O"


def one_hot(w: Writer, model: Any, x: Columns) -> Tensor:
    """A flag per category.

    What a feature adds to the row is a sum of flags: outputs relative to those of an unknown value.
    """
    tables = _tables(model)
    base = sum(table.unknown for table in tables) - (len(tables) - 1) * _reference(model)
    effects = np.concatenate([table.outputs - table.unknown for table in tables])
    used = np.flatnonzero(effects.any(axis=1))
    if not len(used) and base.any():
        used = np.array([0])  # every row gets the same, but there must be a row
    flags = _flags(w, x, tables, used)
    effects = effects[used]
    if effects.shape[0] == effects.shape[1] and not base.any() and (effects == np.eye(len(effects))).all():
        summed = flags
    else:
        product = w.op("MatMul", flags, w.constant(effects, "columns"))
        summed = w.op("Add", product, w.constant(base, "unknown")) if base.any() else product
    return w.cast(summed, FLOAT) if np.dtype(model.dtype) == np.float32 else summed


def lookup(w: Writer, model: Any, x: Columns) -> Tensor:
    """One number per feature, looked up: codes of an OrdinalEncoder, means of a TargetEncoder."""
    tables = _tables(model)
    if any(table.outputs.shape[1] != len(tables) for table in tables):
        raise Unconvertible("several columns per feature (a TargetEncoder of several classes)")
    own = [(table.outputs[:, place], table.unknown[place]) for place, table in enumerate(tables)]
    sizes = np.array([len(table.categories) for table in tables])
    values = np.concatenate([np.append(unknown, outputs) for outputs, unknown in own])
    start = np.cumsum([0, *(sizes[:-1] + 1)])
    flags = _flags(w, x, tables, np.arange(sizes.sum()))
    where = np.zeros(
        (sizes.sum(), len(tables))
    )  # number of the category in its table, one behind the unknown
    for place, size in enumerate(sizes):
        where[sizes[:place].sum() + np.arange(size), place] = 1 + np.arange(size)
    code = w.op("Add", w.op("MatMul", flags, w.constant(where, "places")), w.constant(start * 1.0, "start"))
    found = w.op("Gather", w.constant(values, "values"), w.cast(code, INT64), axis=0)
    return w.cast(found, FLOAT) if np.dtype(getattr(model, "dtype", float)) == np.float32 else found


def _flags(w: Writer, x: Columns, tables: list[Table], used: NDArray[np.int64]) -> Tensor:
    """1.0 where a feature has a category, ``(n, used)``; ``used`` counts the categories of all tables."""
    owner = np.repeat(np.arange(len(tables)), [len(table.categories) for table in tables])[used]
    strings = [number for number, table in enumerate(tables) if table.strings]
    plain = [number for number, table in enumerate(tables) if not table.strings]
    parts, order = [], []
    for group, compare in ((strings, _equal_strings), (plain, _equal_numbers)):
        chosen = np.flatnonzero(np.isin(owner, group))
        if not len(chosen):
            continue
        given = _matrix(select(w, x, group, len(tables)))
        values = np.concatenate([table.categories for table in tables if table.strings == (group is strings)])
        local = np.isin(np.repeat(np.arange(len(tables)), [len(t.categories) for t in tables]), group)
        values = values[np.searchsorted(np.flatnonzero(local), used[chosen])]
        parts.append(compare(w, given, values, np.searchsorted(group, owner[chosen])))
        order += chosen.tolist()
    if not parts:
        raise Unconvertible("it gives no columns")
    flags = w.double(parts[0] if len(parts) == 1 else w.concat(*parts))
    return flags if order == sorted(order) else w.columns(flags, np.argsort(order))


def _matrix(x: Columns) -> Tensor:
    if not isinstance(x, Tensor):
        raise Unconvertible("a feature of numbers was encoded as strings, or the other way round")
    return x


def _equal_numbers(w: Writer, x: Tensor, values: NDArray[Any], features: NDArray[np.int64]) -> Tensor:
    if x.dtype == STRING:
        raise Unconvertible("a feature of strings was encoded as numbers")
    x = w.double(x)
    if (values == MISSING).any():
        missing = w.constant(np.float64(MISSING), "missing")
        x = w.op("Where", w.op("IsNaN", x, dtype=BOOL), missing, x, dtype=DOUBLE)
    return _equal(w, x, values.astype(np.float64), features)


def _equal_strings(w: Writer, x: Tensor, values: NDArray[Any], features: NDArray[np.int64]) -> Tensor:
    """Strings are numbered first, for all features alike, as numbers are compared faster."""
    if x.dtype != STRING:
        raise Unconvertible("a feature of numbers was encoded as strings")
    known = sorted(set(values.tolist()))
    numbers = {text: number for number, text in enumerate(known)}
    codes = w.ml(
        "LabelEncoder",
        x,
        dtype=INT64,
        keys_strings=known,
        values_int64s=list(range(len(known))),
        default_int64=-1,
    )
    return _equal(w, codes, np.array([numbers[text] for text in values], np.int64), features)


def _equal(w: Writer, x: Tensor, values: NDArray[Any], features: NDArray[np.int64]) -> Tensor:
    repeated = w.columns(x, features)
    return w.op("Equal", repeated, w.constant(values, "categories"), dtype=BOOL)


def _reference(model: Any) -> Matrix:
    """What comes out where every feature has its first category."""
    first: Matrix = _asked(model, [_first(model)])[0]
    return first


def _tables(model: Any) -> list[Table]:
    reference = _first(model)
    tables = []
    for place, categories in enumerate(model.categories_):
        known = [one for one in categories if not _absent(one, categories)]
        strings = any(isinstance(one, str) for one in known)
        unseen = UNSEEN if strings else 1.0 + max([float(one) for one in known if one == one], default=0.0)
        rows = []
        for value in (*known, unseen):
            row = list(reference)
            row[place] = value
            rows.append(row)
        outputs = _asked(model, rows)
        if strings:
            shown: NDArray[Any] = np.array([str(one) for one in known], object)
        else:
            numbers = np.array(known, np.float64)
            shown = np.where(np.isnan(numbers), MISSING, numbers)
        tables.append(Table(shown, outputs[:-1], outputs[-1]))
    return tables


def _absent(value: Any, categories: NDArray[Any]) -> bool:
    """A missing value among strings: none is ever served."""
    strings = any(isinstance(one, str) for one in categories)
    return strings and not isinstance(value, str)


def _first(model: Any) -> list[Any]:
    return [next(one for one in own if not _absent(one, own)) for own in model.categories_]


def _asked(model: Any, rows: list[list[Any]]) -> Matrix:
    """The encoder's own answers. One that refuses what it does not know is asked to ignore it: the trained
    model has no answer for such values, so the graph may give any."""
    asked = copy.copy(model)
    if getattr(model, "handle_unknown", None) == "error":
        asked.set_params(**_lenient(model))
    asked.__dict__.pop("feature_names_in_", None)  # or it warns that these rows have no names
    asked.__dict__.pop("_sklearn_output_config", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = np.array(rows, object)
        found = asked.transform(columns)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float64)


def _lenient(model: Any) -> dict[str, Any]:
    if isinstance(model, OneHotEncoder):
        return {"handle_unknown": "ignore"}
    return {"handle_unknown": "use_encoded_value", "unknown_value": -1}


def _one_hot_width(model: Any) -> int:
    return len(_reference(model))


register(OneHotEncoder, one_hot, EXACT, width=_one_hot_width, mixed=True)
register(OrdinalEncoder, lookup, EXACT, mixed=True)
register(TargetEncoder, lookup, EXACT, mixed=True)
