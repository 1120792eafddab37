"""Neural networks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier, MLPRegressor

from convert.errors import ConvertError, Unconvertible
from tests.convert.graphs.families.numeric import EVEN, Matrix, batch_changes, extreme
from tests.convert.proof import around, prove

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def fitted(model: Any, data: Matrix, answers: Any) -> Any:
    """A few steps are enough here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.set_params(random_state=0, max_iter=30).fit(data, answers)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("table", ["iris", "cancer", "wine"])
def test_classifiers(activation: str, table: str) -> None:
    """Odd widths, which are padded."""
    data, answers = EVEN[table]
    model = fitted(MLPClassifier((13, 7), activation=activation), data, answers)
    rows = np.concatenate([around(model, data), extreme(data)])
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:150]) == 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regressors(activation: str) -> None:
    """Values too."""
    data, answers = EVEN["diabetes"]
    model = fitted(MLPRegressor(hidden_layer_sizes=(30,), activation=activation), data, answers)
    rows = around(model, data)
    assert prove(model, rows)[1:3] == (0, 0)
    assert prove(model, extreme(data))[1:3] == (0, 0)
    assert batch_changes(model, rows[:150]) == 0


LOSSES: list[dict[str, Any]] = [{"loss": loss} for loss in ("squared_error", "poisson")]


@pytest.mark.parametrize("loss", LOSSES if "loss" in MLPRegressor().get_params() else [{}], ids=str)
def test_counts(loss: dict[str, Any]) -> None:
    """The loss ``poisson`` ends in an exponential; early versions have one loss only."""
    data, answers = EVEN["diabetes"]
    model = fitted(MLPRegressor(**loss, hidden_layer_sizes=(9,)), data, answers / 100)
    assert prove(model, around(model, data))[1:3] == (0, 0)


def test_single_precision_weights() -> None:
    """A network that was fitted on float32 still answers a row of float64 in float64."""
    data, answers = EVEN["iris"]
    model = fitted(MLPClassifier((9,)), data.astype(np.float32), answers)
    assert prove(model, around(model, data))[1:3] == (0, 0)


def test_what_has_no_graph_is_refused() -> None:
    """Several outputs, several marks, and a class that stands alone."""
    data, answers = EVEN["diabetes"]
    with pytest.raises(ConvertError, match="one model per output"):
        prove(fitted(MLPRegressor(hidden_layer_sizes=(3,)), data, np.column_stack([answers, answers])), data)
    with pytest.raises(Unconvertible, match="several classes at once"):
        prove(fitted(MLPClassifier((3,)), data, (data[:, :3] > 0).astype(np.int64)), data)
    with pytest.raises(Unconvertible, match="one class only"):
        prove(fitted(MLPClassifier((3,)), data, np.zeros(len(data), np.int64)), data)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(2, 5),
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.sampled_from(ACTIVATIONS),
    st.integers(0, 2**31 - 1),
)
def test_any_small_network(classes: int, layers: list[int], activation: str, seed: int) -> None:
    """Any number of layers and cells."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(40, 3))
    model = fitted(MLPClassifier(tuple(layers), activation=activation), data, np.arange(40) % classes)
    rows = rng.normal(size=(200, 3))
    assert prove(model, rows)[1:3] == (0, 0)
    assert batch_changes(model, rows[:40]) == 0
