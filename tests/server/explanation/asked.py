"""A graph, its explainer and onnxruntime side by side, for the tests of explanations."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris

from convert.coding import Coding
from convert.graphs.graph import build
from convert.oracle import Oracle
from registry.manifest import Bound, Golden, Signature
from server.explanation.explainer import Explainer, Explanation
from server.model import Model
from server.session import Session
from tests.convert.proof import signature_of
from tests.server.homemade import entry

Matrix = NDArray[np.float64]
IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)


class Asked(NamedTuple):
    """One model."""

    model: bytes
    signature: Signature
    explainer: Explainer
    session: Session

    def explain(self, row: Any) -> Explanation:
        """Of a row, held against what is served for it."""
        values = tuple(None if value != value else float(value) for value in row)
        found = self.explainer.explain(values)
        served = self.session.one_answer(values)
        label = int(served.labels[0]) if len(served.labels) else 0
        self.explainer.check(found, label, served.numbers[0].tolist())
        return found


def graph_of(estimator: Any, coding: Coding | None = None) -> tuple[bytes, Signature]:
    """Of a fitted estimator, with features that may all be missing."""
    oracle = Oracle(estimator, coding)
    plain = signature_of(oracle)
    features = tuple(
        msgspec.structs.replace(feature, may_be_missing=feature.dtype != "string")
        for feature in plain.features
    )
    signature = msgspec.structs.replace(plain, features=features)
    return build(oracle, "asked", signature), signature


def asked(estimator: Any) -> Asked:
    """Everything of a fitted estimator."""
    model, signature = graph_of(estimator)
    return Asked(model, signature, Explainer(model, signature), Session(model, signature))


def model_of(estimator: Any, rows: Matrix, coding: Coding | None = None) -> tuple[Model, Explainer]:
    """As a server has it; its golden rows are what it answers itself."""
    content, signature = graph_of(estimator, coding)
    given = coding.rows(rows) if coding else rows.tolist()
    session = Session(content, signature)
    labels, numbers = session.answers(session.feed(given))
    golden = Golden(
        kinds=("data",) * len(rows),
        inputs=tuple(map(tuple, given)),
        labels=tuple(signature.classes[label] for label in labels),
        probabilities=tuple(map(tuple, numbers.tolist())) if signature.classes and numbers.size else (),
        values=() if signature.classes else tuple(numbers.ravel().tolist()),
    )
    model = Model(entry("asked", content, signature, golden, Bound()))
    return model, model.explainer(lambda: content)


def changed(model: bytes, change: Any) -> bytes:
    """The model after ``change(onnx.ModelProto)``."""
    proto = onnx.load_from_string(model)
    change(proto)
    content: bytes = proto.SerializeToString()
    return content


def by_definition(trees: list[Any], row: Matrix, features: int) -> Matrix:
    """Shapley values of scikit-learn trees by going through every subset of the features, ``(features,
    values)``, of the mean of the trees. Lundberg et al. 2020, Algorithm 1, is the value of a subset."""
    row = row.astype(np.float32)
    total = np.zeros((features, trees[0].value.shape[2]))
    for tree in trees:
        worth = {
            subset: _expectation(tree, 0, row, subset)
            for size in range(features + 1)
            for subset in combinations(range(features), size)
        }
        for feature in range(features):
            for subset, value in worth.items():
                if feature in subset:
                    continue
                share = factorial(len(subset)) * factorial(features - len(subset) - 1) / factorial(features)
                total[feature] += share * (worth[tuple(sorted((*subset, feature)))] - value)
    return total / len(trees)


def _expectation(tree: Any, node: int, row: Matrix, known: tuple[int, ...]) -> Matrix:
    left, right = tree.children_left[node], tree.children_right[node]
    if left < 0:
        found: Matrix = tree.value[node, 0]
        return found
    feature = tree.feature[node]
    if feature in known:
        missing = np.isnan(row[feature])
        to_left = tree.missing_go_to_left[node] if missing else row[feature] <= tree.threshold[node]
        return _expectation(tree, left if to_left else right, row, known)
    rows = tree.weighted_n_node_samples
    parts = [rows[child] / rows[node] * _expectation(tree, child, row, known) for child in (left, right)]
    both: Matrix = parts[0] + parts[1]
    return both
