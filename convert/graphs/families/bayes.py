"""scikit-learn's naive Bayes classifiers: a sum of logarithms per class.

Probabilities are ``exp(x - log(sum(exp(x))))`` of those sums, as the trainer has them. The sums may be large
(thousands, far from the data), and then their own rounding is that of the probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

from convert.errors import Unconvertible
from convert.graphs.families.links import exp, gemm
from convert.graphs.registration import NUMERIC, register
from convert.graphs.writer import BOOL, DOUBLE, Classified, Tensor, Writer

Matrix = NDArray[np.float64]


def gaussian(w: Writer, model: Any, x: Tensor) -> Classified:
    """``log prior - sum(log(2 pi var)) / 2 - sum((x - mean)² / (2 var))`` of each class.

    Each difference is taken by itself, as in the trainer: multiplied out, the squares would cancel.
    """
    behind = w.constant(np.array([1], np.int64), "axis")
    rows = w.op("Unsqueeze", w.double(x), behind)  # (n, 1, features) against (classes, features)
    apart = w.op("Sub", rows, w.constant(np.asarray(model.theta_, np.float64), "means"))
    scaled = w.op("Mul", apart, w.constant(np.sqrt(0.5 / model.var_), "scales"))
    last = w.constant(np.array([2], np.int64), "axis")
    norms = w.op("ReduceSumSquare", scaled, last, keepdims=0)
    start = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    return _classified(w, w.op("Sub", w.constant(start, "start"), norms))


def multinomial(w: Writer, model: Any, x: Tensor) -> Classified:
    """Counts by log probabilities."""
    return _classified(w, gemm(w, x, model.feature_log_prob_.T, model.class_log_prior_))


def complement(w: Writer, model: Any, x: Tensor) -> Classified:
    """The same without the prior, unless there is one class only."""
    prior = model.class_log_prior_ if len(model.classes_) == 1 else 0.0
    return _classified(w, gemm(w, x, model.feature_log_prob_.T, prior))


def bernoulli(w: Writer, model: Any, x: Tensor) -> Classified:
    """Log probabilities of what is there and of what is not; ``binarize`` says from where on it is."""
    x = w.double(x)
    if model.binarize is not None:
        above = w.op("Greater", x, w.constant(np.float64(model.binarize), "threshold"), dtype=BOOL)
        x = w.cast(above, DOUBLE)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    start = model.class_log_prior_ + absent.sum(axis=1)
    return _classified(w, gemm(w, x, (model.feature_log_prob_ - absent).T, start))


def categorical(w: Writer, model: Any, x: Tensor) -> Classified:
    """No graph: the trainer refuses a category that it has not seen, and a graph cannot refuse."""
    raise Unconvertible(
        f"{type(model).__name__} refuses categories it has not seen, which a graph cannot; "
        "use OneHotEncoder(handle_unknown='ignore') and BernoulliNB"
    )


def _classified(w: Writer, scores: Tensor) -> Classified:
    total = w.reduce("ReduceLogSumExp", scores)
    return Classified(w.largest(scores), exp(w, w.op("Sub", scores, total)))


register(GaussianNB, gaussian, NUMERIC)
register(MultinomialNB, multinomial, NUMERIC)
register(ComplementNB, complement, NUMERIC)
register(BernoulliNB, bernoulli, NUMERIC)
register(CategoricalNB, categorical, NUMERIC)
