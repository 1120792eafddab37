"""Estimator in, bytes of an ONNX model out: the same bytes for the same estimator.

Every model has one input ``input (n, features)``, float32 or float64, and two outputs: ``label (n,) int64``,
an index into the classes, and ``probabilities (n, classes)``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as XgboostFloat
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from xgboost import XGBClassifier

from convert.ensemble import ML_OPSET
from convert.errors import Unconvertible
from convert.forest import EXACT, WRITABLE_ML_OPSET, register
from convert.oracle import Oracle
from convert.rulegraph import rule_graph
from convert.rules import RuleList
from registry.manifest import Dtype

OPSET = 18
XGBOOST_OPSET = 15  # the newest that onnxmltools writes
IR_VERSION = 10  # the first that knows opset 5 of ai.onnx.ml
TARGET = {"": OPSET, "ai.onnx.ml": WRITABLE_ML_OPSET}
PRODUCER = "mps convert"
FLOAT32_BOUND = 1e-6
"""Sums in float32 differ in their last bits; six decimals of a probability are safe."""

register()


def probability_bound(estimator: Any) -> float:
    """How far a probability may be from the trainer's: not at all where the graph is exact by design."""
    return 0.0 if isinstance(estimator, (RuleList, *EXACT)) else FLOAT32_BOUND


def natural_dtype(estimator: Any) -> Dtype:
    """The dtype in which the trained model itself reads a row."""
    return "float32" if isinstance(estimator, (XGBClassifier, *EXACT)) else "float64"


def build(oracle: Oracle, name: str, dtype: Dtype) -> bytes:
    """Serialised model with graph name ``name`` and an input of ``dtype``, ``float32`` or ``float64``.

    Raises:
        Unconvertible: no converter knows this estimator, or not with this dtype.
    """
    estimator, features = oracle.estimator, oracle.n_features
    try:
        if isinstance(estimator, RuleList):
            _expect(dtype, "float64", "a rule list compares")
            model = rule_graph(estimator, name, OPSET)
        elif isinstance(estimator, XGBClassifier):
            _expect(dtype, "float32", "xgboost compares")
            model = _xgboost(estimator, name, features)
        else:
            model = _sklearn(estimator, name, dtype, features)
        return _seal(model)
    except Unconvertible:
        raise
    except Exception as error:  # the converters raise whatever their tables trip over
        reason = str(error).strip().split("\n")[0][:200]
        raise Unconvertible(
            f"no faithful graph in {dtype} for {oracle.describe}: {type(error).__name__}: {reason}"
        ) from error


def _expect(came: str, expected: str, because: str) -> None:
    if came != expected:
        raise Unconvertible(
            f"the signature says {came}, but {because} in {expected}; say {expected} in the card"
        )


def _sklearn(estimator: Any, name: str, dtype: str, features: int) -> ModelProto:
    indexed = _with_index_labels(estimator)
    tensor = {"float32": FloatTensorType, "float64": DoubleTensorType}[dtype]
    model: ModelProto = convert_sklearn(
        indexed,
        name=name,
        initial_types=[("input", tensor([None, features]))],
        target_opset=TARGET,
        options={id(indexed): {"zipmap": False}},
    )
    return model


def _xgboost(estimator: XGBClassifier, name: str, features: int) -> ModelProto:
    rows = [("input", XgboostFloat([None, features]))]
    model: ModelProto = convert_xgboost(estimator, name=name, initial_types=rows, target_opset=XGBOOST_OPSET)
    return model


def _with_index_labels(estimator: Any) -> Any:
    """A copy whose classes are 0, 1, 2…, so that the graph gives indices whatever the labels are."""
    indexed = copy.copy(estimator)
    if hasattr(estimator, "steps"):  # a pipeline asks its last step for the classes
        last, classifier = estimator.steps[-1]
        indexed.steps = [*estimator.steps[:-1], (last, _with_index_labels(classifier))]
    else:
        indexed.classes_ = np.arange(len(estimator.classes_))
    return indexed


def _seal(model: ModelProto) -> bytes:
    """Fix what does not belong to the function that the graph computes, and check the rest."""
    model.producer_name, model.producer_version = PRODUCER, ""
    model.domain, model.doc_string, model.model_version = "", "", 0
    model.ir_version = IR_VERSION
    model.graph.doc_string = ""
    opsets = _opsets(model)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, opsets[domain]) for domain in sorted(opsets))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _opsets(model: ModelProto) -> dict[str, int]:
    """Each domain once: the converters list them in the order of a set, and sometimes twice."""
    opsets: dict[str, int] = {}
    for opset in model.opset_import:
        opsets[opset.domain] = max(opset.version, opsets.get(opset.domain, 0))
    if any(node.op_type == "TreeEnsemble" for node in model.graph.node):
        # skl2onnx refuses to stamp an ai.onnx.ml that it was not tested with, so the stamp is set here. Every
        # other operator of the domain that it writes means the same in version 5; the checker sees to that.
        opsets["ai.onnx.ml"] = ML_OPSET
    return opsets
