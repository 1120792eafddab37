"""Support vector machines of scikit-learn, as libsvm computes them: in float64."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from convert.errors import Unconvertible
from convert.graphs.families.distances import ONE_BLOCK, direct, expanded
from convert.graphs.families.links import Matrix, gemm, padded
from convert.graphs.registration import NUMERIC, register
from convert.graphs.writer import BOOL, DOUBLE, INT64, Classified, Tensor, Writer
from registry.manifest import Bound

CLASSIFIERS = (SVC, NuSVC)
REGRESSORS = (SVR, NuSVR)
LIBSVM = Bound(ulp=64, absolute=1e-9, margin_ulp=16)
"""libsvm adds up coefficients times kernels, which cancel: its own sum is off by about ``1e-16`` of the sum
of their sizes, where a coefficient is at most ``C``. With ``C=1`` the graph was 3e-13 away from it, with
``C=1000`` 4e-10 (442 vectors, linear kernel; 5e-12 with rbf)."""
KERNELS = ("linear", "poly", "rbf", "sigmoid")


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The kernels of the support vectors by their coefficients."""
    _check(model)
    return _sums(w, model, x, np.asarray(model._dual_coef_).T, np.asarray(model._intercept_))


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """Votes of the pairs of classes; of equals the first wins.

    libsvm counts a score of exactly 0 for the second class of a pair (``svm_predict_values``).
    """
    _check(model)
    if hasattr(model, "predict_proba"):
        raise Unconvertible(
            f"{type(model).__name__}(probability=True): libsvm finds these probabilities by iterating to a "
            "loose tolerance; use CalibratedClassifierCV(SVC(), ensemble=False) instead"
        )
    pairs, intercepts = _pairs(model), np.asarray(model._intercept_, np.float64)
    if len(model.classes_) == 2:  # the pair's score is for the first class, decision_function for the second
        scores = _sums(w, model, x, np.hstack([pairs, -pairs]), np.concatenate([intercepts, -intercepts]))
        label = w.op("ArgMax", scores, dtype=INT64, axis=1, keepdims=0, select_last_index=1)
        return Classified(label, scores)
    return _vote(w, model, _sums(w, model, x, pairs, intercepts))


def _vote(w: Writer, model: Any, scores: Tensor) -> Classified:
    """``(n, pairs)`` scores to a class. The numbers beside it are ``decision_function``'s of shape ``ovr``
    (``sklearn.utils.multiclass._ovr_decision_function``): votes, and less than half a vote for confidence."""
    first, second = _sides(len(model.classes_))
    zero = w.constant(np.float64(0), "zero")
    won = w.cast(w.op("Greater", scores, zero, dtype=BOOL), DOUBLE)
    votes = gemm(w, won, first - second, second.sum(axis=0))
    # decision_function gives the first class a score of 0, predict the second
    kept = w.cast(w.op("Less", scores, zero, dtype=BOOL), DOUBLE)
    counted = gemm(w, kept, second - first, first.sum(axis=0))
    sums = gemm(w, scores, first - second, 0.0)
    one, three = w.constant(np.float64(1), "one"), w.constant(np.float64(3), "three")
    confidence = w.op("Div", sums, w.op("Mul", w.op("Add", w.op("Abs", sums), one), three))
    decision = w.op("Add", counted, confidence)
    breaks = model.break_ties and model.decision_function_shape == "ovr"
    return Classified(w.largest(decision if breaks else votes), decision)


def _sides(classes: int) -> tuple[Matrix, Matrix]:
    """Who stands first and who second in each pair: two matrices ``(pairs, classes)`` of 0 and 1."""
    pairs = np.array(list(combinations(range(classes), 2)))
    unit = np.eye(classes)
    return unit[pairs[:, 0]], unit[pairs[:, 1]]


def _pairs(model: Any) -> Matrix:
    """Coefficients ``(support vectors, pairs)``: 0 for vectors of neither class.

    libsvm keeps ``classes - 1`` of them for each vector, one for every other class in order; vectors stand by
    class.
    """
    coefficients = np.asarray(model._dual_coef_, np.float64)
    ends = np.cumsum(model._n_support)
    classes = [slice(end - count, end) for end, count in zip(ends, model._n_support, strict=True)]
    pairs = list(combinations(range(len(classes)), 2))
    spread = np.zeros((coefficients.shape[1], len(pairs)))
    for number, (first, second) in enumerate(pairs):
        spread[classes[first], number] = coefficients[second - 1, classes[first]]
        spread[classes[second], number] = coefficients[first, classes[second]]
    return spread


def _sums(w: Writer, model: Any, x: Tensor, coefficients: Matrix, intercepts: Matrix) -> Tensor:
    """``kernel(x, vectors) @ coefficients + intercepts``; vectors are padded, see ``links``."""
    vectors = np.asarray(model.support_vectors_, np.float64)
    if model.kernel == "linear":
        return gemm(w, x, vectors.T @ coefficients, intercepts)
    return gemm(w, _kernel(w, model, x, padded(vectors, 0)), padded(coefficients, 0), intercepts)


def _kernel(w: Writer, model: Any, x: Tensor, vectors: Matrix) -> Tensor:
    """``(n, vectors)``; formulas of libsvm's ``Kernel::k_function``."""
    gamma = float(model._gamma)
    if model.kernel == "rbf":
        if vectors.size > ONE_BLOCK:
            return w.op("Exp", expanded(w, x, vectors, -gamma))
        apart = direct(w, x, vectors, 2)
        return w.op("Exp", w.op("Mul", apart, w.constant(np.float64(-gamma), "gamma")))
    product = gemm(w, x, gamma * vectors.T, float(model.coef0))
    if model.kernel == "poly":
        return w.op("Pow", product, w.constant(np.float64(model.degree), "degree"))
    return w.op("Tanh", product)


def _check(model: Any) -> None:
    kind = type(model).__name__
    if model._sparse:
        raise Unconvertible(f"this {kind} was fitted on a sparse matrix; fit it on a dense one")
    if model.kernel not in KERNELS:
        shown = model.kernel if isinstance(model.kernel, str) else "a function"
        raise Unconvertible(f"{kind}: there is no graph for the kernel {shown}; known: {', '.join(KERNELS)}")
    if not len(model.support_vectors_):
        raise Unconvertible(f"this {kind} has no support vectors: it gives one answer to everything")


for kind in CLASSIFIERS:
    register(kind, classifier, NUMERIC)
for kind in REGRESSORS:
    register(kind, regressor, LIBSVM)
