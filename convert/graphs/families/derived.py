"""Derived features: a FunctionTransformer's function, followed operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from convert.errors import Unconvertible
from convert.graphs.frame import Columns, matrix
from convert.graphs.registration import EXACT, register
from convert.graphs.tracing import Trace, Traced, TracedFrame, follow
from convert.graphs.writer import DOUBLE, Tensor, Writer
from registry.manifest import Bound

ROUNDED = Bound(ulp=64, absolute=1e-12, margin_ulp=64)
"""Behind exp, log and powers, which numpy and onnxruntime round in their own ways, by an ulp or two."""


def function_transformer(w: Writer, model: Any, x: Columns) -> Columns:
    """What the function does, as nodes."""
    return _followed(w, model, x)[0]


def run(
    w: Writer,
    function: Callable[..., Any] | None,
    options: dict[str, Any] | None,
    x: Columns,
    names: Any,
    width: int,
    blind: bool = False,
) -> tuple[Columns, set[str]]:
    """The nodes of any function of one matrix or DataFrame, and the operations that are not exact.

    ``blind``: ``x`` stands for columns of any dtype, and the nodes are thrown away.

    Raises:
        Unconvertible: it cannot be followed.
    """
    if function is None:
        return x, set()
    trace = Trace(w, blind)
    name = getattr(function, "__name__", type(function).__name__)
    if names is not None:
        given: Any = follow(name, lambda: TracedFrame.of(trace, x, list(names)))
    else:
        given = Traced(trace, matrix(w, x), width)
    made = follow(name, lambda: function(given, **(options or {})))
    if isinstance(made, TracedFrame):
        return follow(name, made.joined), trace.inexact
    if not isinstance(made, Traced) or made.width is None:
        gives = "a column (n,)" if isinstance(made, Traced) else f"a {type(made).__name__}"
        raise Unconvertible(f"the function {name!r} gives {gives}; a matrix (n, k) is needed")
    return made.tensor, trace.inexact


def _followed(w: Writer, model: Any, x: Columns, blind: bool = False) -> tuple[Columns, set[str]]:
    names = _names(model)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise Unconvertible("this FunctionTransformer is not fitted; fit the pipeline with it")
    return run(w, model.func, model.kw_args, x, names, int(width), blind)


def _names(model: Any) -> Any:
    """Of the DataFrame that the function is given; None: it is given an array."""
    return None if model.validate else getattr(model, "feature_names_in_", None)


class _Nowhere:
    """Takes nodes and keeps none: to find out what a function does before the graph is there."""

    def get_unique_variable_name(self, name: str) -> str:
        return name

    get_unique_operator_name = get_unique_variable_name

    def add_initializer(self, *args: Any, **options: Any) -> None:
        pass

    add_node = add_initializer


def bound_of(model: Any) -> Bound:
    """Exact, unless one of the operations is not."""
    nowhere = _Nowhere()
    try:
        _, inexact = _followed(Writer(nowhere, nowhere, ""), model, Tensor("x", DOUBLE), blind=True)
    except Unconvertible:  # the builder says the same, with the place
        return EXACT
    return ROUNDED if inexact else EXACT


def _width(model: Any) -> int:
    """Asked of the function itself, with a row of ones; needed behind strings only."""
    if model.func is None:
        return int(model.n_features_in_)
    row: Any = np.ones((1, model.n_features_in_))
    if _names(model) is not None:
        import pandas

        row = pandas.DataFrame(row, columns=list(_names(model)))
    with np.errstate(all="ignore"):
        return int(np.shape(model.func(row, **(model.kw_args or {})))[1])


register(FunctionTransformer, function_transformer, bound_of, width=_width, mixed=True)
