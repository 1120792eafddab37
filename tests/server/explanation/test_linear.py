"""Linear models: coefficients, intercepts, scalers in front."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
)
from sklearn.svm import LinearSVC

from server.errors import NotExplainable
from server.explanation.explainer import Explainer
from tests.convert.proof import around, punched
from tests.server.explanation.asked import (
    DIABETES,
    IRIS,
    PROGRESS,
    SPECIES,
    asked,
    changed,
    graph_of,
)

TWO = (SPECIES > 0).astype(int)


@pytest.mark.parametrize(
    ("model", "classes"),
    [
        (LogisticRegression(max_iter=1000), 3),
        (LogisticRegression(max_iter=1000), 2),
        (SGDClassifier(loss="log_loss", random_state=0), 2),
        (LinearSVC(), 3),
        (LinearSVC(), 2),
        (RidgeClassifier(), 3),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_linear_classifiers(model: Any, classes: int) -> None:
    """Coefficient times value, on the intercept: together the trainer's own decision."""
    model.fit(IRIS, SPECIES if classes == 3 else TWO)
    found = asked(model)
    wanted = np.atleast_2d(model.coef_)
    for row in around(model, IRIS, 5)[::40]:
        told = found.explain(row)
        shown = [number for number, _ in found.explainer.outputs]
        assert np.allclose(told.contributions[:, shown], (wanted * row).T, rtol=1e-12, atol=0)
        assert np.allclose(told.base[shown], model.intercept_, rtol=1e-12, atol=0)
        assert np.allclose(told.sums[shown], model.decision_function([row])[0], rtol=1e-9)
    assert found.explainer.method == "linear"
    assert [name for _, name in found.explainer.outputs] == (["0", "1", "2"] if classes == 3 else ["1"])


def test_linear_regressions() -> None:
    """The value, or its logarithm."""
    for model in (LinearRegression(), PoissonRegressor()):
        found = asked(model.fit(DIABETES, PROGRESS))
        told = found.explain(DIABETES[3])
        assert np.allclose(told.contributions[:, 0], model.coef_ * DIABETES[3], rtol=1e-12)
        assert found.explainer.outputs == [(0, "value")]
        assert found.explainer.link == ("exp" if isinstance(model, PoissonRegressor) else "identity")


def test_behind_a_scaler_the_mean_is_the_background() -> None:
    """Linear SHAP of independent features: coefficient times the distance from the training mean."""
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        punched(IRIS), TWO
    )
    _, scaler, last = model
    found = asked(model)
    for row in punched(IRIS, seed=4)[::17]:
        filled = np.where(np.isnan(row), model[0].statistics_, row)
        expected = last.coef_[0] / scaler.scale_ * (filled - scaler.mean_)
        told = found.explain(row)
        assert np.allclose(told.contributions[:, 1], expected, rtol=1e-9, atol=1e-12)
        assert np.isclose(told.base[1], last.intercept_[0])


def test_a_linear_part_of_another_shape_is_refused() -> None:
    """Attributes and shapes that make something else of the product."""
    model, signature = graph_of(LogisticRegression(max_iter=1000).fit(IRIS, SPECIES))

    def doubled(proto: onnx.ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "Gemm")
        node.attribute.append(onnx.helper.make_attribute("alpha", 2.0))

    def cut(proto: onnx.ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "Gemm")
        bias = next(each for each in proto.graph.initializer if each.name == node.input[2])
        bias.CopyFrom(onnx.numpy_helper.from_array(np.zeros(2), bias.name))

    def alone(proto: onnx.ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "Gemm")
        del node.input[2]

    for change, why in ((doubled, "no product with one matrix"), (cut, "no intercept for each sum")):
        with pytest.raises(NotExplainable, match=why):
            Explainer(changed(model, change), signature)
    assert Explainer(changed(model, alone), signature).linear is not None


def test_a_product_the_other_way_round_is_refused() -> None:
    """The features are expected on the left."""
    model, signature = graph_of(LinearRegression().fit(IRIS, SPECIES))

    def swapped(proto: onnx.ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "Gemm")
        node.input[0], node.input[1] = node.input[1], node.input[0]

    with pytest.raises(NotExplainable, match="not the first input of its Gemm"):
        Explainer(changed(model, swapped), signature)
