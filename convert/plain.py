"""The usual conversion, for comparison: float32 in, the converters' own graphs, nothing replaced.

The exact builders take the places of the converters in their tables, for the whole process; so the usual
conversion runs in one of its own: ``python -m convert.plain estimator.joblib plain.onnx``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
from onnx import TensorProto, helper

from convert.errors import Unconvertible
from convert.graphs.rulegraph import as_tree
from convert.sources.rules import RuleList

LIMIT_S = 300
ML = "ai.onnx.ml"


def plain(estimator: Any, features: int) -> bytes:
    """Bytes of the usual ONNX model of a fitted estimator, outputs named as this project's are.

    Raises:
        Unconvertible: the usual converters refuse it; the text is the first line of what they raise.
    """
    if isinstance(estimator, RuleList):
        return _rules(estimator)
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "estimator.joblib", Path(folder) / "plain.onnx"
        joblib.dump((estimator, features), source)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "convert.plain", str(source), str(made)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                env=_environment(),
            )
        except subprocess.TimeoutExpired:
            raise Unconvertible(f"the usual conversion takes more than {LIMIT_S} s") from None
        if done.returncode:
            raised = re.findall(r"^[\w.]+(?:Error|Exception)\b.*", done.stderr, re.MULTILINE) or ["no word"]
            raise Unconvertible(f"the usual conversion fails: {raised[-1][:200]}")
        return made.read_bytes()


def main(source: Path, made: Path) -> None:
    """Convert what was dumped in ``source`` and write it to ``made``."""
    estimator, features = joblib.load(source)
    model: onnx.ModelProto = _convert(estimator, features)
    names = ["label", "probabilities"] if len(model.graph.output) == 2 else ["value"]
    for output, name in zip(model.graph.output, names, strict=True):
        _rename(model.graph, output.name, name)
        output.name = name
    if names[0] == "label":
        _answer_by_index(model, np.asarray(estimator.classes_).tolist())
    made.write_bytes(model.SerializeToString())


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.output[:] = [new if each == old else each for each in node.output]
        node.input[:] = [new if each == old else each for each in node.input]


def _answer_by_index(model: onnx.ModelProto, classes: list[Any]) -> None:
    """The label's place among the classes instead of the label: the only thing that is added."""
    if classes == list(range(len(classes))):
        return
    _rename(model.graph, "label", "label/own")
    keys = "keys_strings" if isinstance(classes[0], str) else "keys_int64s"
    places: dict[str, Any] = {keys: classes, "values_int64s": list(range(len(classes)))}
    model.graph.node.append(helper.make_node("LabelEncoder", ["label/own"], ["label"], domain=ML, **places))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    for opset in model.opset_import:
        if opset.domain == ML:
            opset.version = max(opset.version, 2)  # the first whose LabelEncoder knows these attributes


def _convert(estimator: Any, features: int) -> Any:
    package = type(estimator).__module__.partition(".")[0]
    if package in ("xgboost", "lightgbm"):
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        rows = [("input", FloatTensorType([None, features]))]
        if package == "xgboost":
            return onnxmltools.convert_xgboost(estimator, initial_types=rows, target_opset=15)
        return onnxmltools.convert_lightgbm(estimator, initial_types=rows, target_opset=15, zipmap=False)
    from skl2onnx import to_onnx, update_registered_converter
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.base import is_classifier

    _register_boosters(update_registered_converter)
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    chances = is_classifier(estimator) and hasattr(last, "predict_proba")
    options = {id(estimator): {"zipmap": False}} if chances else None  # others have no such option
    return to_onnx(
        estimator,
        initial_types=[("input", FloatTensorType([None, features]))],
        target_opset={"": 18, "ai.onnx.ml": 3},
        options=options,
    )


def _register_boosters(register: Any) -> None:
    """As the converters' documentation says, for pipelines that end in one."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx.common import shape_calculator as shapes
    from xgboost import XGBClassifier, XGBRegressor

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for classifier, convert in ((XGBClassifier, convert_xgboost), (LGBMClassifier, convert_lightgbm)):
        shape = shapes.calculate_linear_classifier_output_shapes
        register(classifier, classifier.__name__, shape, convert, options=options)
    for regressor, convert in ((XGBRegressor, convert_xgboost), (LGBMRegressor, convert_lightgbm)):
        register(regressor, regressor.__name__, shapes.calculate_linear_regressor_output_shapes, convert)


def _rules(rules: RuleList) -> bytes:
    """Nobody converts rule lists; this is the operator that the converters write for a tree."""
    tree, classes = as_tree(rules), len(rules.classes)
    leaves = np.flatnonzero(tree.left < 0)
    ids = list(range(len(tree.left)))
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["input"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=list(range(classes)),
        nodes_treeids=[0] * len(ids),
        nodes_nodeids=ids,
        nodes_featureids=tree.feature.tolist(),
        nodes_values=tree.threshold.astype(np.float32).tolist(),
        nodes_modes=["LEAF" if left < 0 else "BRANCH_LT" for left in tree.left],
        nodes_truenodeids=np.maximum(tree.left, 0).tolist(),
        nodes_falsenodeids=np.maximum(tree.right, 0).tolist(),
        class_treeids=[0] * len(leaves) * classes,
        class_nodeids=np.repeat(leaves, classes).tolist(),
        class_ids=list(range(classes)) * len(leaves),
        class_weights=tree.values[leaves].ravel().tolist(),
    )
    rows = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, len(rules.features)])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    table = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, classes])
    graph = helper.make_graph([node], "rules", [rows], [label, table])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def _environment() -> dict[str, str]:
    """The process must find this package where this one found it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
