"""scikit-learn's neural networks: products and activations, layer by layer, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from convert.errors import Unconvertible
from convert.graphs.families.links import Matrix, exp, gemm, logistic, padded, softmax
from convert.graphs.registration import NUMERIC, register
from convert.graphs.writer import Classified, Tensor, Writer

ACTIVATIONS = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "identity": None}


def classifier(w: Writer, model: Any, x: Tensor) -> Classified:
    """A sigmoid of the last layer's one score, or the softmax of its scores; the class of the largest."""
    if model.out_activation_ == "softmax":
        scores = _last_layer(w, model, x)
        return Classified(w.largest(scores), softmax(w, scores, len(model.classes_)))
    if model.n_outputs_ > 1:
        raise Unconvertible("this MLPClassifier marks several classes at once: fit one model per output")
    if len(model.classes_) != 2:
        raise Unconvertible("this MLPClassifier was fitted on one class only")
    # The trainer compares the rounded probability with 1/2, not the score with 0.
    probabilities = logistic(w, _last_layer(w, model, x, np.array([[1.0, -1.0]])))
    return Classified(w.largest(probabilities), probabilities)


def regressor(w: Writer, model: Any, x: Tensor) -> Tensor:
    """The last layer's score, or its exponential (loss ``poisson``)."""
    if model.n_outputs_ > 1:
        raise Unconvertible(
            f"this MLPRegressor has {model.n_outputs_} outputs; only one can be served: "
            "fit one model per output"
        )
    value = _last_layer(w, model, x)
    return exp(w, value) if model.out_activation_ == "exp" else value


def _last_layer(w: Writer, model: Any, x: Tensor, signs: Matrix | None = None) -> Tensor:
    """Scores before the last activation, ``(n, outputs)``, multiplied by ``signs`` ``(1, outputs)``.

    Hidden layers are padded with cells that are connected to nothing; ``links`` says why.
    """
    kind = ACTIVATIONS[model.activation]
    inputs = model.coefs_[0].shape[0]
    for weights, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        wide = padded(np.asarray(weights, np.float64), 1)
        x = gemm(w, x, _tall(wide, inputs), padded(np.asarray(bias, np.float64), 0))
        x = w.op(kind, x) if kind else x
        inputs = wide.shape[1]
    last, bias = np.asarray(model.coefs_[-1], np.float64), np.asarray(model.intercepts_[-1], np.float64)
    if signs is not None:
        last, bias = last @ signs, bias * signs[0]
    return gemm(w, x, _tall(last, inputs), bias)


def _tall(weights: Matrix, inputs: int) -> Matrix:
    """Zero rows for the padding of the layer before; a sigmoid of nothing is 1/2."""
    return np.pad(weights, ((0, inputs - len(weights)), (0, 0)))


register(MLPClassifier, classifier, NUMERIC)
register(MLPRegressor, regressor, NUMERIC)
