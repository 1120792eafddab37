"""scikit-learn's nearest neighbours.

A tree (``kd_tree``, ``ball_tree``) adds squared differences feature by feature, and so does the graph: the
distances have the same bits. ``brute`` with a Euclidean distance expands the square instead, and so does the
graph, with what that rounds. Without ties every bit agreed, of labels, probabilities and values, on iris,
wine, breast cancer and diabetes.

Among training rows at exactly the same distance the trainer takes those that its tree or its heap happens to
meet first, which depends on the row. Here it is the first in the order in which the tree keeps them: that is
the trainer's choice, too, for a row so far away that all distances are equal. A Euclidean tie breaks when the
row moves by an ulp, so the margin of the bound covers it. A Manhattan or Chebyshev tie need not (rows that
share the deciding number stay equal): on tables of round numbers, iris for one, some of these answers differ
(71 and 103 of 4,150 rows), and the proof of such a model fails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from convert.errors import Unconvertible
from convert.graphs.families.distances import direct
from convert.graphs.families.links import Matrix
from convert.graphs.registration import NUMERIC, register
from convert.graphs.sums import left_to_right
from convert.graphs.writer import BOOL, DOUBLE, INT64, OPSET, Classified, Tensor, Writer
from registry.manifest import Bound

NEAR = Bound(ulp=4, absolute=2.3e-16, margin_ulp=16)
"""The same bits, but for ties, and for the order in which numpy adds up more than seven weights."""
MOST_ROWS = 50_000
MOST_NUMBERS = 1_000_000
"""Training rows by features; 50,000 rows of 20 features take 0.9 ms a request."""
POWERS = {"euclidean": 2.0, "l2": 2.0, "manhattan": 1.0, "l1": 1.0, "cityblock": 1.0, "chebyshev": np.inf}


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """Votes of the neighbours, equal or by ``1 / distance``, divided by their sum."""
    if model.outputs_2d_:
        raise Unconvertible("this KNeighborsClassifier has several outputs: fit one model per output")
    _check(model)
    classes = len(model.classes_)
    marks = np.eye(classes)[np.asarray(model._y).ravel()[_order(model)]]
    weighted = _weighted(w, model, x, marks)  # (n, k, classes)
    votes = w.reduce("ReduceSum", weighted, keepdims=0)
    return Classified(w.largest(votes), w.op("Div", votes, left_to_right(w, votes, classes)))


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """Mean of the neighbours' values, plain or by ``1 / distance``."""
    values = np.asarray(model._y, np.float64).reshape(len(model._y), -1)[_order(model)]
    if values.shape[1] > 1:
        raise Unconvertible(
            f"this KNeighborsRegressor has {values.shape[1]} outputs; only one can be served: "
            "fit one model per output"
        )
    _check(model)
    # A second column of ones adds up the weights.
    sums = w.reduce(
        "ReduceSum", _weighted(w, model, x, np.hstack([values, np.ones_like(values)])), keepdims=0
    )
    return w.op("Div", w.columns(sums, [0]), w.columns(sums, [1]))


def _weighted(w: Writer, model: Any, x: Tensor, values: Matrix) -> Tensor:
    """``values`` ``(training rows, v)`` of the neighbours by their weights: ``(n, k, v)``."""
    nearest, places = _nearest(w, model, x)
    found = w.op("Gather", w.constant(values, "values"), places, axis=0)
    if model.weights != "distance":
        return found
    weights = w.op("Unsqueeze", _weights(w, model, nearest), w.constant(np.array([2], np.int64), "axis"))
    return w.op("Mul", found, weights)


def _nearest(w: Writer, model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest distances (squared, of a Euclidean one) and places of these training rows: ``(n, k)`` each."""
    p, points = _power(model), np.asarray(model._fit_X, np.float64)[_order(model)]
    apart = _brute(w, x, points) if p == 2 and model._fit_method == "brute" else direct(w, x, points, p)
    return _smallest(w, apart, int(model.n_neighbors))


def _brute(w: Writer, x: Tensor, points: Matrix) -> Tensor:
    """``max(|x|² - 2xy + |y|², 0)`` in the order of ``EuclideanArgKmin64``."""
    x = w.double(x)
    crossed = w.op("MatMul", x, w.constant(-2 * points.T, "points"))
    norms = np.array([np.dot(point, point) for point in points])
    apart = w.op("Add", w.op("Add", w.reduce("ReduceSumSquare", x), crossed), w.constant(norms, "norms"))
    return w.op("Max", apart, w.constant(np.float64(0), "zero"))


def _order(model: Any) -> NDArray[np.int64]:
    """Training rows as the trainer looks through them: as its tree keeps them, or in their own order."""
    if model._tree is None:
        return np.arange(len(model._fit_X))
    return np.asarray(model._tree.get_arrays()[1], np.int64)


def _smallest(w: Writer, x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` smallest numbers of each row, ascending, and their columns; of equals the first."""
    names = [w.scope.get_unique_variable_name(f"{w.prefix}/topk") for _ in range(2)]
    inputs = [x.name, w.constant(np.array([count], np.int64), "k").name]
    name = w.scope.get_unique_operator_name(f"{w.prefix}/TopK")
    w.container.add_node(
        "TopK", inputs, names, op_domain="", op_version=OPSET, name=name, axis=1, largest=0, sorted=1
    )
    return Tensor(names[0], x.dtype), Tensor(names[1], INT64)


def _weights(w: Writer, model: Any, nearest: Tensor) -> Tensor:
    """``1 / distance``; where a neighbour has distance 0, 1 for those and 0 for the others
    (``sklearn.neighbors._base._get_weights``)."""
    distance = w.op("Sqrt", nearest) if _power(model) == 2 else nearest
    inverse = w.op("Reciprocal", distance)
    infinite = w.op("IsInf", inverse, dtype=BOOL)
    marks = w.cast(infinite, DOUBLE)
    some = w.op("Greater", w.reduce("ReduceMax", marks), w.constant(np.float64(0), "zero"), dtype=BOOL)
    return w.op("Where", some, marks, inverse, dtype=DOUBLE)


def _power(model: Any) -> float:
    """1, 2 or infinity.

    Raises:
        Unconvertible: another metric.
    """
    metric = model.effective_metric_
    if metric == "minkowski":
        return float(model.effective_metric_params_.get("p", model.p))
    return POWERS.get(metric, 0.0) if isinstance(metric, str) else 0.0


def _check(model: Any) -> None:
    kind = type(model).__name__
    if hasattr(model._fit_X, "toarray"):
        raise Unconvertible(f"this {kind} was fitted on a sparse matrix; fit it on a dense one")
    params = getattr(model, "effective_metric_params_", {})
    if _power(model) not in (1, 2, np.inf) or params.get("w") is not None:
        raise Unconvertible(
            f"{kind}: there is no exact graph for the metric {model.metric!r} with p={model.p}; "
            "known: Euclidean, Manhattan, Chebyshev without weights"
        )
    if model.weights not in (None, "uniform", "distance"):
        raise Unconvertible(
            f"{kind}: there is no graph for weights by a function; use 'uniform' or 'distance'"
        )
    if model.weights == "distance" and model._fit_method == "brute" and _power(model) == 2:
        raise Unconvertible(
            f"{kind}: weights by distance need distances to the last bit, and algorithm='brute' (chosen by "
            "itself above 15 features) rounds them away near a training row; fit it with algorithm='kd_tree'"
        )
    rows, features = model._fit_X.shape
    if rows > MOST_ROWS or rows * features > MOST_NUMBERS:
        raise Unconvertible(
            f"this {kind} keeps {rows} training rows of {features} features, and every request is compared "
            f"with all of them; at most {MOST_ROWS} rows and {MOST_NUMBERS} numbers can be served"
        )


register(KNeighborsClassifier, classifier, NEAR)
register(KNeighborsRegressor, regressor, NUMERIC)
