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
) -> tuple[Columns, set[str]]:
    """The nodes of any function of one matrix or DataFrame, and the operations that are not exact.

    Raises:
        Unconvertible: it cannot be followed.
    """
    if function is None:
        return x, set()
    trace = Trace(w)
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


def _followed(w: Writer, model: Any, x: Columns) -> tuple[Columns, set[str]]:
    names = None if model.validate else getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    if model.func is None:
        return x, set()
    if width is None:
        raise Unconvertible("this FunctionTransformer is not fitted; fit the pipeline with it")
    return run(w, model.func, model.kw_args, x, names, int(width))


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
        _, inexact = _followed(Writer(nowhere, nowhere, ""), model, Tensor("x", DOUBLE))
    except Unconvertible:  # it compares strings, which these numbers are not: nothing that rounds
        return EXACT
    return ROUNDED if inexact else EXACT


def _width(model: Any) -> int:
    """Asked of the function itself, with a row of ones; needed behind strings only."""
    made = model.func(np.ones((1, model.n_features_in_))) if model.func else None
    return int(model.n_features_in_) if made is None else int(np.shape(made)[1])


register(FunctionTransformer, function_transformer, bound_of, width=_width, mixed=True)
