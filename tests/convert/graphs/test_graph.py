"""Graphs are the same bytes every time, and honest about what cannot be converted."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.errors import Unconvertible
from convert.graphs.graph import build, natural_dtype
from convert.oracle import Oracle
from convert.sources.rules import RuleList
from registry.manifest import Dtype, Feature, Signature

ELSEWHERE = """
import hashlib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier
from convert.graphs.graph import build
from convert.oracle import Oracle
from registry.manifest import Feature, Signature
X, y = load_iris(return_X_y=True)
features = tuple(Feature(name=f"f{n}", dtype="float64") for n in range(4))
forest = RandomForestClassifier(5, max_depth=2, random_state=0)
smooth = make_pipeline(StandardScaler(), LogisticRegression())
for estimator in (
    forest,
    XGBClassifier(n_estimators=3, n_jobs=1),
    VotingClassifier([("forest", forest), ("smooth", smooth)], voting="soft"),
):
    signature = Signature(features=features, classes=(0, 1, 2))
    print(hashlib.sha256(build(Oracle(estimator.fit(X, y)), "same", signature)).hexdigest())
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


def iris_signature(dtype: Dtype = "float64") -> Signature:
    """Four features without a name to speak of."""
    features = tuple(Feature(name=f"f{number}", dtype=dtype) for number in range(4))
    return Signature(features=features, classes=(0, 1, 2))


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
    model = onnx.load_from_string(build(Oracle(tree), "iris-tree", iris_signature("float32")))
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
    build(Oracle(pipeline), "pipeline", iris_signature())
    assert pipeline.classes_.tolist() == ["a", "b", "c"]


def test_rules_compare_in_float64(rules: RuleList) -> None:
    """Another dtype is refused, with the right one."""
    features = tuple(Feature(name=name, dtype="float32") for name in rules.features)
    with pytest.raises(Unconvertible, match="a rule list compares in float64; say float64"):
        build(Oracle(rules), "rules", Signature(features=features, classes=rules.classes))


def test_unknown_estimators_are_refused() -> None:
    """An estimator that no converter knows is refused in one line."""
    X, y = load_iris(return_X_y=True)
    with pytest.raises(Unconvertible, match=r"^no faithful graph for scikit-learn .* Guess: [^\n]*$"):
        build(Oracle(Guess().fit(X, y)), "guess", iris_signature())


def test_names_that_a_person_recognises(iris: Any) -> None:
    """Nodes and constants are named after the estimators that they are of, one inside the other."""
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)).fit(iris.X, iris.y)
    graph = onnx.load_from_string(build(Oracle(pipeline), "p", iris_signature())).graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert any("StandardScaler" in name for name in names)
    assert any("DecisionTreeClassifier" in name for name in names)
    assert {name.partition("_")[0] for name in names} == {"Pipeline"}


def test_nothing_is_left_in_the_graph_that_nobody_asks_for(iris: Any) -> None:
    """Of a classifier that gives labels only, the scores' nodes and constants are gone."""
    model = LinearSVC(max_iter=10_000).fit(iris.X, iris.y)
    features = iris_signature().features
    signature = Signature(features=features, classes=(0, 1, 2), probabilities=False)
    graph = onnx.load_from_string(build(Oracle(model), "svm", signature)).graph
    assert [tensor.name for tensor in graph.output] == ["label"]
    read = {name for node in graph.node for name in node.input}
    assert {tensor.name for tensor in graph.initializer} <= read
    assert {name for node in graph.node for name in node.output} <= read | {"label"}


def test_dtypes_per_family(rules: RuleList, tree: DecisionTreeClassifier) -> None:
    """Each is read in the dtype in which its trainer reads."""
    families = [rules, tree, XGBClassifier(), LogisticRegression()]
    assert [natural_dtype(one) for one in families] == ["float64", "float32", "float32", "float64"]
