"""Our own converter of scikit-learn's classification trees and forests, for skl2onnx's registration.

skl2onnx's own sums votes in float32: forests lose ties, and the last bits of every probability. This one does
what scikit-learn does, in its order: round the row to float32, compare in float64, add the leaves of all
trees in float64, divide once, and take the first of the largest probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from convert.ensemble import AT_MOST, Ensemble, Tree

EXACT = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
"""Classes whose probabilities the graph gives to the last bit."""
WRITABLE_ML_OPSET = 3
"""skl2onnx stamps no later ``ai.onnx.ml``; ``convert.graph`` restamps the finished model (see there)."""


def register() -> None:
    """Take the place of skl2onnx's converters for the classes in ``EXACT``; pipelines then use it too."""
    for kind in EXACT:
        update_registered_converter(
            kind,
            f"Sklearn{kind.__name__}",
            _shapes,
            _convert,
            options={"zipmap": [True, False, "columns"]},
        )


def sklearn_tree(tree: Any) -> Tree:
    """Read a fitted ``tree_``."""
    return Tree(
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold,
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=tree.missing_go_to_left.astype(np.bool_),
        values=tree.value[:, 0, :],
    )


def _shapes(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    classes = len(operator.raw_operator.classes_)
    operator.outputs[0].type = Int64TensorType([rows])
    operator.outputs[1].type = DoubleTensorType([rows, classes])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    members = getattr(estimator, "estimators_", [estimator])
    ensemble = Ensemble(AT_MOST)
    for member in members:
        ensemble.add(sklearn_tree(member.tree_))

    def node(kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        output = output or scope.get_unique_variable_name(kind.lower())
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, output, name=name, **attributes)
        return output

    label, probabilities = (output.full_name for output in operator.outputs)
    single = node("Cast", [operator.inputs[0].full_name], to=TensorProto.FLOAT)
    double = node("Cast", [single], to=TensorProto.DOUBLE)
    ml: dict[str, Any] = {"op_domain": "ai.onnx.ml", "op_version": WRITABLE_ML_OPSET}
    total = node("TreeEnsemble", [double], **ml, **ensemble.attributes())
    count = scope.get_unique_variable_name("trees")
    container.add_initializer(count, TensorProto.DOUBLE, [], [float(len(members))])
    node("Div", [total, count], probabilities)
    node("ArgMax", [probabilities], label, axis=1, keepdims=0)
