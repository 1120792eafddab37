"""XGBoost behind an encoder that hands on a sparse matrix: zeros are missing to it, and so to the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MaxAbsScaler, OneHotEncoder
from xgboost import XGBClassifier

from tests.convert.proof import prove

RNG = np.random.default_rng(0)
ROWS = np.column_stack([RNG.integers(0, 12, (400, 2)), RNG.normal(size=400).round(1)])
CLASSES = (ROWS[:, 0] % 3 + (ROWS[:, 2] > 0)).astype(int) % 3


def encoder(sparse: bool = True) -> OneHotEncoder:
    """Of many categories."""
    return OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)


@pytest.mark.parametrize(
    "steps",
    [
        [ColumnTransformer([("codes", encoder(), [0, 1])], remainder="passthrough", sparse_threshold=1.0)],
        [ColumnTransformer([("codes", encoder(), [0, 1])], remainder="passthrough", sparse_threshold=0)],
        [encoder(), MaxAbsScaler()],
        [encoder(), SelectKBest(k=8)],
        [encoder(sparse=False)],
        [KBinsDiscretizer(5, encode="onehot", strategy="uniform")],
        [FeatureUnion([("codes", encoder()), ("bins", MaxAbsScaler())])],
    ],
    ids=["columns", "dense columns", "scaled", "selected", "dense", "bins", "union"],
)
def test_zeros_of_a_sparse_matrix(steps: list[Any]) -> None:
    """Every label, and every probability to the last bit of float32; values that were never seen, too."""
    booster = XGBClassifier(n_estimators=10, max_depth=4, n_jobs=1, random_state=0)
    model = make_pipeline(*steps, booster).fit(ROWS, CLASSES)
    asked = np.concatenate([ROWS, ROWS + np.array([0, 20, 0.05])])
    assert prove(model, asked)[:3] == (len(asked), 0, 0)
