"""Thresholds are found from the answers alone, where the graph does not tell them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from convert.oracle import Oracle
from convert.proving.adversary import survey
from convert.proving.jumps import jumps
from convert.sealing import seal
from registry.manifest import Card

MakeCard = Callable[..., Card]
SPECIES = ("setosa", "versicolor", "virginica")


def test_jumps_are_thresholds(tree: DecisionTreeClassifier, iris: Any, make_card: MakeCard) -> None:
    """Each jump of a tree is one of its thresholds, rounded as the tree rounds; the first split is found."""
    ground = survey(make_card(4, SPECIES, "float64").signature, [], iris.X, Oracle(tree).coding)
    inner = tree.tree_
    own = {(int(f), np.float32(t)) for f, t in zip(inner.feature, inner.threshold, strict=True) if f >= 0}
    found = jumps(Oracle(tree), ground)
    assert found
    for feature, value in found:
        nearest = min(abs(value - float(t)) for f, t in own if f == feature)
        assert nearest < 1e-6


def test_smooth_models_have_none(iris: Any, make_card: MakeCard) -> None:
    """A logistic regression changes steeply, but never jumps."""
    smooth = LogisticRegression(C=1e4, max_iter=5_000).fit(iris.X, iris.y)
    ground = survey(make_card(4, SPECIES, "float64").signature, [], iris.X, Oracle(smooth).coding)
    assert jumps(Oracle(smooth), ground) == []


def test_a_scaled_tree_is_tried_at_its_thresholds(iris: Any, make_card: MakeCard) -> None:
    """A tree behind a scaler passes beside its thresholds in float64; in float32 it is refused there."""
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    card = make_card(4, SPECIES, "float64")
    parity = seal(Oracle(pipeline), "mixed", card, iris.X, random_rows=100).manifest.parity
    assert "thresholds" in {kind.kind for kind in parity.kinds}
