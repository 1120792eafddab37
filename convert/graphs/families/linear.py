"""Linear models of scikit-learn, and discriminant analysis: sums of products in float64.

skl2onnx's own converters use ``LinearClassifier`` and ``LinearRegressor``, which compute in float32. Here it
is one ``Gemm`` in float64. The trainer's own sum goes through BLAS, which adds in another order for one row
than for many, so the same bits are nobody's promise; the bound is ``NUMERIC``.

Worst differences, scores well inside the data: probabilities 8e-14 (steep models; 4e-16 as a rule).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RANSACRegressor, SGDClassifier
from sklearn.svm import LinearSVC, LinearSVR

from convert.errors import Unconvertible
from convert.graphs.families.habits import no_sigmoid_is_divided
from convert.graphs.families.links import exp, gemm, logistic, shares, softmax
from convert.graphs.registration import EXACT, NUMERIC, build_inside, register
from convert.graphs.sums import left_to_right
from convert.graphs.writer import INT64, Classified, Tensor, Writer

Matrix = NDArray[np.float64]


def present(*names: str) -> tuple[type, ...]:
    """Those classes of ``sklearn.linear_model`` that this version has."""
    return tuple(getattr(linear_model, name) for name in names if hasattr(linear_model, name))


LOGISTIC = (LogisticRegression, LogisticRegressionCV)
SCORERS = (
    *present("Perceptron", "PassiveAggressiveClassifier", "RidgeClassifier", "RidgeClassifierCV"),
    LinearSVC,
)
"""They have scores and no probabilities."""
REGRESSORS = (
    *present("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *present("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "BayesianRidge", "ARDRegression"),
    *present("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "HuberRegressor"),
    *present("TheilSenRegressor", "QuantileRegressor", "SGDRegressor", "PassiveAggressiveRegressor"),
    *present("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"),
    LinearSVR,
)
LINKED = present("PoissonRegressor", "GammaRegressor", "TweedieRegressor")


def parameters(model: Any) -> tuple[Matrix, Matrix]:
    """Coefficients ``(outputs, features)`` and intercepts ``(outputs,)`` of a linear model, float64."""
    coefficients = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
    weights = np.atleast_2d(np.asarray(coefficients, np.float64))
    return weights, np.broadcast_to(np.asarray(model.intercept_, np.float64).ravel(), (len(weights),))


def one_output(model: Any) -> tuple[Matrix, Matrix]:
    """The same of a regression.

    Raises:
        Unconvertible: it has several outputs.
    """
    weights, intercepts = parameters(model)
    if len(weights) > 1:
        raise Unconvertible(
            f"this {type(model).__name__} has {len(weights)} outputs; only one can be served: "
            "fit one model per output"
        )
    return weights, intercepts


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """``x @ coef + intercept``."""
    weights, intercepts = one_output(model)
    return gemm(w, x, weights.T, intercepts)


def linked(w: Writer, model: Any, x: Tensor) -> Tensor:
    """A generalised linear model: the inverse of its link, identity or logarithm, of the sum."""
    value = regressor(w, model, x)
    return exp(w, value) if type(model._base_loss.link).__name__ == "LogLink" else value


def ransac(w: Writer, model: Any, x: Tensor) -> Classified | Tensor:
    """The estimator that was fitted on the inliers."""
    return build_inside(w, model.estimator_, x)


def scorer(w: Writer, model: Any, x: Tensor) -> Classified:
    """Scores and the class of the largest; of two classes ``[-d, d]``, where ``d`` must be above 0 for the
    second."""
    scores = _scores(w, model, x)
    return Classified(w.largest(scores), scores)


def logistic_regression(w: Writer, model: Any, x: Tensor) -> Classified:
    """Softmax of the scores, or, one against the rest, a sigmoid of each.

    Versions before 1.8 choose between the two by ``multi_class``, and the softmax of two classes is that of
    ``[-d, d]``; later ones have the sigmoid for two classes only (``LogisticRegression.predict_proba``).
    """
    kind = model.get_params().get("multi_class", "auto")
    one_against_rest = kind in ("ovr", "warn") or (
        kind in ("auto", "deprecated")
        and (
            len(model.classes_) <= 2 or ("multi_class" in model.get_params() and model.solver == "liblinear")
        )
    )
    if one_against_rest:
        return sigmoids(w, model, x)
    scores = _scores(w, model, x)
    return Classified(w.largest(scores), softmax(w, scores, len(model.classes_)), scores)


def sigmoids(w: Writer, model: Any, x: Tensor) -> Classified:
    """A sigmoid of each score; of more than two classes, made to sum to 1."""
    scores = _scores(w, model, x, sign=-1)
    label = w.op("ArgMin", scores, dtype=INT64, axis=1, keepdims=0)
    parts = logistic(w, scores)
    probabilities = parts if len(model.classes_) == 2 else _normalised(w, parts, len(model.classes_))
    return Classified(label, probabilities, w.op("Neg", scores))


def _normalised(w: Writer, parts: Tensor, classes: int) -> Tensor:
    """Divided by their sum, as the installed version does it."""
    if no_sigmoid_is_divided():
        return w.op("Div", parts, left_to_right(w, parts, classes))
    return shares(w, parts, classes)


def stochastic(w: Writer, model: Any, x: Tensor) -> Classified:
    """``SGDClassifier``: probabilities of the losses that have them, else scores."""
    if model.loss == "log_loss":
        return sigmoids(w, model, x)
    if model.loss == "modified_huber":
        return huber(w, model, x)
    return scorer(w, model, x)


def huber(w: Writer, model: Any, x: Tensor) -> Classified:
    """``(clip(d, -1, 1) + 1) / 2`` of each score, of more than two classes made to sum to 1."""
    scores = _scores(w, model, x)
    low, high = w.constant(np.float64(-1), "low"), w.constant(np.float64(1), "high")
    parts = w.op("Add", w.op("Clip", scores, low, high), high)
    parts = w.op("Div", parts, w.constant(np.float64(2), "two"))
    classes = len(model.classes_)
    return Classified(w.largest(scores), parts if classes == 2 else shares(w, parts, classes), scores)


def linear_discriminant(w: Writer, model: Any, x: Tensor) -> Classified:
    """A sigmoid of the score of two classes, the softmax of the scores of more."""
    if len(model.classes_) == 2:
        return sigmoids(w, model, x)
    scores = _scores(w, model, x)
    return Classified(w.largest(scores), softmax(w, scores, len(model.classes_)), scores)


def quadratic_discriminant(w: Writer, model: Any, x: Tensor) -> Classified:
    """Softmax of the log densities ``-(|(x - mean) R / sqrt(S)|² + sum(log S)) / 2 + log prior``.

    The mean of each class is taken away behind the product, not before: that is one product for all classes.
    Both are taken around the middle of the means first, so that little cancels.
    """
    scalings = [np.asarray(scaling) for scaling in model.scalings_]
    rotations = [np.asarray(turn) * s ** (-0.5) for turn, s in zip(model.rotations_, scalings, strict=True)]
    rank = max(turn.shape[1] for turn in rotations)
    rotations = [np.pad(turn, ((0, 0), (0, rank - turn.shape[1]))) for turn in rotations]
    middle = np.mean(model.means_, axis=0)
    shifts = [(mean - middle) @ turn for mean, turn in zip(model.means_, rotations, strict=True)]
    x = w.op("Sub", w.double(x), w.constant(middle, "middle"))
    turned = gemm(w, x, np.hstack(rotations), -np.concatenate(shifts))
    shape = w.constant(np.array([-1, len(rotations), rank], np.int64), "shape")
    norms = w.op(
        "ReduceSumSquare",
        w.op("Reshape", turned, shape),
        w.constant(np.array([2], np.int64), "axis"),
        keepdims=0,
    )
    logs = np.array([np.log(scaling).sum() for scaling in scalings])
    halves = w.op("Mul", norms, w.constant(np.float64(-0.5), "half"))
    scores = w.op("Add", halves, w.constant(-0.5 * logs + np.log(model.priors_), "prior"))
    return Classified(w.largest(scores), softmax(w, scores, len(model.classes_)), scores)


def _scores(w: Writer, model: Any, x: Tensor, sign: int = 1) -> Tensor:
    """``sign * decision_function``, ``(n, classes)``; of two classes ``sign * [-d, d]``."""
    weights, intercepts = parameters(model)
    classes = len(model.classes_)
    binarizer = getattr(model, "_label_binarizer", None)  # of a ridge classifier, which can mark several
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        raise Unconvertible(
            f"this {type(model).__name__} marks several classes at once: fit one model per output"
        )
    if classes == 2:
        weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return gemm(w, x, sign * weights.T, sign * intercepts)


for kind in LOGISTIC:
    register(kind, logistic_regression, NUMERIC)
for kind in SCORERS:
    register(kind, scorer, NUMERIC)
for kind in REGRESSORS:
    register(kind, regressor, NUMERIC)
for kind in LINKED:
    register(kind, linked, NUMERIC)
register(SGDClassifier, stochastic, NUMERIC)
register(RANSACRegressor, ransac, EXACT)
register(LinearDiscriminantAnalysis, linear_discriminant, NUMERIC)
register(QuadraticDiscriminantAnalysis, quadratic_discriminant, NUMERIC)
