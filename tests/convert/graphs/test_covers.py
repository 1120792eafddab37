"""The rows at each leaf travel in the metadata of a graph, and change nothing that it answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.graphs.ensemble import COVERS, Ensemble, Tree
from convert.graphs.families import leaftext
from convert.graphs.graph import build
from convert.graphs.rulegraph import as_tree
from convert.oracle import Oracle
from convert.sources.rules import RuleList
from registry import covers
from registry.manifest import Signature
from server.session import Session
from tests.convert.conftest import Iris
from tests.convert.proof import around, signature_of


def built(estimator: Any) -> tuple[bytes, Signature]:
    oracle = Oracle(estimator)
    signature = signature_of(oracle)
    return build(oracle, "covered", signature), signature


def told(model: bytes) -> covers.Covers:
    """Of the only ensemble."""
    (entry,) = onnx.load_from_string(model).metadata_props
    return covers.read(entry.value)


def test_a_tree_tells_its_leaves(iris: Iris) -> None:
    """Those of the trainer, in every copy; a branch that was cut off has those of all its leaves."""
    estimator = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.X, iris.y)
    tree = estimator.tree_
    ((first, *others),) = told(built(estimator)[0])
    assert sorted(first) == sorted(tree.n_node_samples[tree.children_left < 0])
    assert others
    assert all(sum(copy) == 150 for copy in (first, *others))


@pytest.mark.parametrize(
    ("estimator", "trees"),
    [
        (RandomForestClassifier(5, random_state=0), 5),
        (make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=2, random_state=0)), 5),
        (GradientBoostingClassifier(n_estimators=4, random_state=0), 3 + 12),
        (HistGradientBoostingClassifier(max_iter=4, random_state=0), 3 + 12),
        (LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1), 12),
        (XGBClassifier(n_estimators=4, n_jobs=1), 12),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_trainer_of_trees_tells(iris: Iris, estimator: Any, trees: int) -> None:
    """As many trees as there are, constants included; all rows in each, or what they weigh in this round."""
    found = told(built(estimator.fit(iris.X, iris.y))[0])
    assert len(found) == trees
    grown = [tree[0] for tree in found if tree[0] != [1, 1]]
    if isinstance(estimator, XGBClassifier):
        written = json.loads(bytes(estimator.get_booster().save_raw("json")))
        first = written["learner"]["gradient_booster"]["model"]["trees"][0]
        assert sum(grown[0]) == pytest.approx(first["sum_hessian"][0])
    else:
        assert {sum(leaves) for leaves in grown} == {150}


def test_rules_tell_the_rows_that_each_answered(rules: RuleList) -> None:
    """The counts of the file."""
    tree = as_tree(rules)
    assert tree.cover is not None
    assert tree.cover.tolist() == [150, 50, 100, 54, 46]
    assert covers.PREFIX + "rules" in {
        entry.key for entry in onnx.load_from_string(built(rules)[0]).metadata_props
    }


def test_the_answers_have_the_same_bits_without_them(iris: Iris) -> None:
    """onnxruntime never looks at them."""
    estimator = RandomForestClassifier(20, max_depth=4, random_state=0).fit(iris.X, iris.names)
    model, signature = built(estimator)
    bare = onnx.load_from_string(model)
    del bare.metadata_props[:]
    rows = around(estimator, iris.X)
    answers = [
        Session(content, signature).answers({"input": rows.astype(np.float32)})
        for content in (model, bare.SerializeToString())
    ]
    assert (answers[0].labels == answers[1].labels).all()
    assert answers[0].numbers.tobytes() == answers[1].numbers.tobytes()
    assert all(attribute.name != COVERS for node in bare.graph.node for attribute in node.attribute)


def test_one_tree_that_does_not_know_is_enough_to_say_nothing() -> None:
    """Covers of some trees explain none."""
    tree = Tree(
        feature=np.array([0, 0, 0]),
        threshold=np.zeros(3),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        missing_left=np.zeros(3, np.bool_),
        values=np.array([[0.0], [1.0], [2.0]]),
    )
    known = Tree(**{**vars(tree), "cover": np.array([3.0, 1, 2])})
    for trees, expected in (([known], "1 2"), ([known, tree], None), ([tree, known], None)):
        ensemble = Ensemble(1)
        for each in trees:
            ensemble.add(each, 0)
        assert ensemble.attributes().get(COVERS) == expected


def test_a_text_of_lightgbm_without_counts() -> None:
    """Of an old version: nothing is known, and nothing made up."""
    assert leaftext._cover({"leaf_value": "1 2"}, 3) is None
    assert leaftext._cover({"leaf_count": "4"}, 1) is not None
