"""Estimator in, bytes of an ONNX model out: the same bytes for the same estimator.

Every model has one input ``input (n, features)``, float32 or float64, or, where strings are among the
features, one input ``(n, 1)`` per feature under its name. Outputs are ``label (n,) int64``, an index into the
classes, and ``probabilities (n, classes)``; or ``value (n, 1)`` of a regression.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

from convert.errors import Unconvertible
from convert.graphs import families
from convert.graphs.ensemble import COVERS, ML_OPSET
from convert.graphs.registration import BUILDERS
from convert.graphs.rulegraph import rule_graph
from convert.graphs.writer import OPSET, WRITABLE_ML_OPSET
from convert.oracle import Oracle
from convert.sources.rules import RuleList
from registry import covers
from registry.manifest import Dtype, Signature

IR_VERSION = 10  # the first that knows opset 5 of ai.onnx.ml
TARGET = {"": OPSET, "ai.onnx.ml": WRITABLE_ML_OPSET}
PRODUCER = "mps convert"
TYPES = {
    "float32": FloatTensorType,
    "float64": DoubleTensorType,
    "int64": Int64TensorType,
    "string": StringTensorType,
}


def natural_dtype(estimator: Any) -> Dtype:
    """The dtype in which the trained model itself reads a row of numbers."""
    return "float32" if isinstance(estimator, families.SINGLE_READERS) else "float64"


def build(oracle: Oracle, name: str, signature: Signature) -> bytes:
    """Serialised model with graph name ``name`` and the inputs of the signature.

    Raises:
        Unconvertible: no converter knows this estimator, or not with these inputs.
    """
    estimator = oracle.estimator
    try:
        model = (
            _rules(estimator, name, signature)
            if isinstance(estimator, RuleList)
            else _sklearn(estimator, name, signature)
        )
        _name_outputs(model, oracle)
        _name_inputs(model, signature)
        return seal(model)
    except Unconvertible:
        raise
    except Exception as error:  # the converters raise whatever their tables trip over
        reason = str(error).strip().split("\n")[0][:200]
        raise Unconvertible(
            f"no faithful graph for {oracle.describe}: {type(error).__name__}: {reason}"
        ) from error


def seal(model: ModelProto) -> bytes:
    """Fix what does not belong to the function that the graph computes, and check the rest."""
    model.producer_name, model.producer_version = PRODUCER, ""
    model.domain, model.doc_string, model.model_version = "", "", 0
    model.ir_version = IR_VERSION
    model.graph.doc_string = ""
    _fold_identities(model.graph)
    _prune(model.graph)
    _move_covers(model)
    opsets = _opsets(model)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, opsets[domain]) for domain in sorted(opsets))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _rules(rules: RuleList, name: str, signature: Signature) -> ModelProto:
    if {feature.dtype for feature in signature.features} != {"float64"}:
        raise Unconvertible("a rule list compares in float64; say float64 for every feature in the card")
    return rule_graph(rules, name)


def _sklearn(estimator: Any, name: str, signature: Signature) -> ModelProto:
    indexed = _with_index_labels(estimator)
    zipped = signature.classes and type(indexed) not in BUILDERS
    model: ModelProto = convert_sklearn(
        indexed,
        name=name,
        initial_types=_inputs(signature),
        target_opset=TARGET,
        options={id(indexed): {"zipmap": False}} if zipped else None,
    )
    return model


def _inputs(signature: Signature) -> list[tuple[str, Any]]:
    dtypes = {feature.dtype for feature in signature.features}
    if len(dtypes) == 1 and "string" not in dtypes:
        return [("input", TYPES[dtypes.pop()]([None, len(signature.features)]))]
    columns = enumerate(signature.features)  # skl2onnx would respell names that are no identifiers
    return [(f"column{number}", TYPES[feature.dtype]([None, 1])) for number, feature in columns]


def _with_index_labels(estimator: Any) -> Any:
    """Exact builders give the index of the class; skl2onnx's own converters the label, so those are told that
    the labels are 0, 1, 2…"""
    if not hasattr(estimator, "classes_") or type(estimator) in BUILDERS:
        return estimator
    indexed = copy.copy(estimator)
    indexed.classes_ = np.arange(len(estimator.classes_))
    return indexed


def _name_inputs(model: ModelProto, signature: Signature) -> None:
    """Call columns by the names of the features.

    Raises:
        Unconvertible: a feature is called as something else in the graph is.
    """
    if len(model.graph.input) == 1:
        return
    taken = {name for node in model.graph.node for name in node.output}
    taken |= {tensor.name for tensor in model.graph.initializer}
    for tensor, feature in zip(model.graph.input, signature.features, strict=True):
        if feature.name in taken:
            raise Unconvertible(f"a feature cannot be called {feature.name!r} beside strings; rename it")
        _rename(model.graph, tensor.name, feature.name)
        tensor.name = feature.name


def _name_outputs(model: ModelProto, oracle: Oracle) -> None:
    """Call the outputs by the names that every served model has; drop scores that are no probabilities."""
    wanted = ["label", "probabilities"] if oracle.classes else ["value"]
    for output, name in zip(list(model.graph.output), wanted, strict=True):
        _rename(model.graph, output.name, name)
        output.name = name
    if oracle.classes and not oracle.has_probabilities:
        del model.graph.output[1]


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new


def _fold_identities(graph: onnx.GraphProto) -> None:
    """Remove nodes that only hand on; the converters need them, people and runtimes do not."""
    inputs = {tensor.name for tensor in graph.input} | {tensor.name for tensor in graph.initializer}
    outputs = {tensor.name for tensor in graph.output}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        source, sink = node.input[0], node.output[0]
        if sink in outputs and (source in inputs or source in outputs):
            continue
        graph.node.remove(node)
        if sink in outputs:
            _rename(graph, source, sink)
        else:
            _rename(graph, sink, source)


def _prune(graph: onnx.GraphProto) -> None:
    """Remove what leads to no output: scores that nobody asked for, and their constants."""
    needed = {tensor.name for tensor in graph.output}
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(node.input)
    kept = [node for node in graph.node if needed & set(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)


def _move_covers(model: ModelProto) -> None:
    """From the attribute of each ensemble to the metadata, where an explanation reads them."""
    for node in model.graph.node:
        for found in [attribute for attribute in node.attribute if attribute.name == COVERS]:
            node.attribute.remove(found)
            model.metadata_props.add(key=covers.PREFIX + node.name, value=found.s.decode())


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
