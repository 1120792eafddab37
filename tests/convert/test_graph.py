"""Graphs are the same bytes every time, and honest about what cannot be converted."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.errors import Unconvertible
from convert.graph import build, natural_dtype, probability_bound
from convert.oracle import Oracle
from convert.rules import RuleList

ELSEWHERE = """
import hashlib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier
from convert.graph import build
from convert.oracle import Oracle
X, y = load_iris(return_X_y=True)
for estimator, dtype in (
    (RandomForestClassifier(5, random_state=0), "float32"),
    (XGBClassifier(n_estimators=3, n_jobs=1), "float32"),
    (make_pipeline(StandardScaler(), LogisticRegression()), "float64"),
):
    print(hashlib.sha256(build(Oracle(estimator.fit(X, y)), "same", dtype)).hexdigest())
"""


class Guess(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier that no converter knows."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> Guess:
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.zeros(len(X), np.int64)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_same_bytes_in_every_process() -> None:
    """Two processes with different hash seeds write the same bytes for every family."""
    path = os.pathsep.join(sys.path)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    outputs = [process.communicate()[0] for process in running]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == 3


def test_graph_says_only_what_is_fixed(tree: DecisionTreeClassifier) -> None:
    """Graph name, producer and input and output names are ours; each operator set is named once."""
    model = onnx.load_from_string(build(Oracle(tree), "iris-tree", "float32"))
    domains = [opset.domain for opset in model.opset_import]
    assert (model.graph.name, model.producer_name, model.producer_version) == ("iris-tree", "mps convert", "")
    assert [tensor.name for tensor in model.graph.input] == ["input"]
    assert [tensor.name for tensor in model.graph.output] == ["label", "probabilities"]
    assert domains == sorted(set(domains))
    assert {opset.domain: opset.version for opset in model.opset_import}["ai.onnx.ml"] == 5


def test_estimator_is_left_alone(tree: DecisionTreeClassifier) -> None:
    """Building a graph changes nothing in the caller's estimator, its class labels least of all."""
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, np.array(["a", "b", "c"])[y])
    build(Oracle(pipeline), "pipeline", "float64")
    assert pipeline.classes_.tolist() == ["a", "b", "c"]


def test_dtype_must_be_the_one_compared_in(rules: RuleList) -> None:
    """Rules compare in float64 and xgboost in float32; another dtype is refused with the right one."""
    with pytest.raises(Unconvertible, match="says float32, but a rule list compares in float64"):
        build(Oracle(rules), "rules", "float32")
    X, y = load_iris(return_X_y=True)
    with pytest.raises(Unconvertible, match="says float64, but xgboost compares in float32"):
        build(Oracle(XGBClassifier(n_estimators=1).fit(X, y)), "boosted", "float64")


def test_unknown_estimators_are_refused() -> None:
    """An estimator that no converter knows is refused in one line."""
    X, y = load_iris(return_X_y=True)
    with pytest.raises(
        Unconvertible, match=r"^no faithful graph in float64 for scikit-learn .* Guess: [^\n]*$"
    ):
        build(Oracle(Guess().fit(X, y)), "guess", "float64")


def test_bounds_and_dtypes_per_family(rules: RuleList, tree: DecisionTreeClassifier) -> None:
    """Exact families may not differ at all, the others by 1e-6; each is read in its own dtype."""
    families = [rules, tree, XGBClassifier(), LogisticRegression()]
    assert [probability_bound(one) for one in families] == [0.0, 0.0, 1e-6, 1e-6]
    assert [natural_dtype(one) for one in families] == ["float64", "float32", "float32", "float64"]
