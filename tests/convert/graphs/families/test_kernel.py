"""Support vector machines with kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from convert.errors import Unconvertible
from tests.convert.graphs.families.numeric import EVEN, TABLES, batch_changes, extreme
from tests.convert.proof import around, prove

KERNELS = ("linear", "poly", "rbf", "sigmoid")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_classifiers(kernel: str, table: str) -> None:
    """Two classes and more."""
    data, answers = EVEN[table]
    model = SVC(kernel=kernel, coef0=0.5).fit(data, answers)
    rows = np.concatenate([around(model, data), extreme(data)])
    assert prove(model, rows).labels_wrong == 0
    assert batch_changes(model, rows[:100]) == 0


@pytest.mark.parametrize(
    "model",
    [SVC(break_ties=True), NuSVC(nu=0.1), SVC(C=1e4, gamma=10), SVC(decision_function_shape="ovo")],
    ids=str,
)
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_variants(model: Any, table: str) -> None:
    """Ties broken by confidence; another parametrisation; steep ones."""
    data, answers = EVEN[table]
    model.fit(data, answers)
    assert prove(model, around(model, data)).labels_wrong == 0


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", [SVR, NuSVR])
@pytest.mark.parametrize("cost", [1, 1000])
def test_regressors(kind: type[Any], kernel: str, cost: float) -> None:
    """Large coefficients that cancel, too."""
    data, answers = EVEN["diabetes"]
    model = kind(kernel=kernel, C=cost, max_iter=2_000_000).fit(data[:200], answers[:200])
    rows = around(model, data)
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:100]) == 0


def test_raw_features() -> None:
    """Far from 0: squares that are multiplied out cancel unless they are taken around the middle."""
    data, answers = TABLES["cancer"]
    model = SVC().fit(data + 1e4, answers)
    assert prove(model, around(model, data + 1e4)).labels_wrong == 0


def test_probabilities_are_refused() -> None:
    """With what to do instead."""
    data, answers = EVEN["iris"]
    model = SVC(kernel="linear").fit(data, answers)
    model.probability = True  # a version that deprecates it warns in fit
    with pytest.raises(Unconvertible, match="CalibratedClassifierCV"):
        prove(model, data)


def test_what_has_no_graph_is_refused() -> None:
    """Kernels that are not computed from the row, sparse vectors, and none at all."""
    data, answers = EVEN["iris"]
    kernels = data @ data.T
    with pytest.raises(Unconvertible, match="no graph for the kernel precomputed"):
        prove(SVC(kernel="precomputed").fit(kernels, answers), kernels)
    with pytest.raises(Unconvertible, match="sparse"):
        prove(SVC().fit(csr_matrix(data), answers), data)
    with pytest.raises(Unconvertible, match="no support vectors"):
        prove(SVR(epsilon=10).fit(data, answers), data)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 5), st.integers(1, 6), st.sampled_from(KERNELS), st.integers(0, 2**31 - 1))
def test_any_small_machine(classes: int, features: int, kernel: str, seed: int) -> None:
    """Any number of classes."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(40, features))
    model = SVC(kernel=kernel, break_ties=bool(seed % 2)).fit(data, np.arange(40) % classes)
    assert prove(model, rng.normal(size=(200, features))).labels_wrong == 0
