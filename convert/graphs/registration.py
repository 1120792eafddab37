"""Where the exact builders take their places in skl2onnx's own tables.

A builder is a function ``(writer, fitted estimator, input tensor)`` that adds nodes and gives a
``Classified``, or one tensor. Registered here, it is used wherever the estimator stands: alone, as a step of
a pipeline, inside a voting classifier. What has no builder keeps the converter that skl2onnx has for it, and
the loosest target, where it stands alone; as a part of something else it is refused.

XGBoost's and LightGBM's estimators are registered here as well, which is how onnxmltools' converters are put
into pipelines; onnxmltools' own functions stay as they are, for they write no operator as new as is needed.

Pipelines are built here too and not by skl2onnx's parser, which confuses permuted columns, asks one matrix
for names of columns and mixes float32 with float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import ClassifierMixin, is_classifier, is_regressor

from convert.errors import Unconvertible
from convert.graphs.frame import Columns, Frame, Part, flattened, numbers
from convert.graphs.writer import DOUBLE, FLOAT, INT64, STRING, Classified, Tensor, Writer
from registry.manifest import Bound

TENSOR_TYPES: dict[int, Any] = {
    FLOAT: FloatTensorType,
    DOUBLE: DoubleTensorType,
    INT64: Int64TensorType,
    STRING: StringTensorType,
}
EXACT = Bound()
"""The same bits."""
SINGLE = Bound(ulp=1, absolute=1.2e-7)
"""float32 answers: ``exp`` may round its last bit otherwise."""
DOUBLED = Bound(ulp=4, absolute=2.3e-16)
"""float64 answers behind ``exp``."""
NUMERIC = Bound(ulp=64, absolute=1e-12, margin_ulp=16)
"""Sums of products, in no promised order; the trained model's own answer changes with the batch."""

Builder = Callable[[Writer, Any, Tensor], Classified | Tensor]
Composer = Callable[[Writer, Any, Columns], Classified | Columns]
"""A builder that takes strings and numbers side by side, too, and may hand them on."""


class Built(NamedTuple):
    """How one class of estimators is built."""

    builder: Builder | Composer
    bound: Bound | Callable[[Any], Bound]
    """Of the estimator itself, without what is inside it."""
    dtype: int | Callable[[Any], int]
    """Of probabilities, values or transformed features."""
    width: Callable[[Any], int]
    """Columns of these."""
    mixed: bool = False
    """Whether the builder is a ``Composer``."""


BUILDERS: dict[type, Built] = {}


def register(
    kind: type,
    builder: Builder | Composer,
    bound: Bound | Callable[[Any], Bound],
    dtype: int | Callable[[Any], int] = DOUBLE,
    width: Callable[[Any], int] | None = None,
    mixed: bool = False,
) -> None:
    """Build estimators of ``kind``, and of no subclass, with ``builder`` from now on.

    ``width`` tells the columns of a fitted transformer's output; by default as many as go in. Predictors have
    one value or one column per class. ``mixed``: the builder is a ``Composer``.
    """
    BUILDERS[kind] = Built(builder, bound, dtype, width or _width, mixed)
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
    update_registered_converter(
        kind,
        f"Exact{kind.__name__}",
        shapes,
        convert,
        parser=parse,
        options=options if issubclass(kind, ClassifierMixin) else None,
    )


def build_inside(writer: Writer, estimator: Any, x: Columns) -> Classified | Tensor:
    """Build an estimator that predicts, and is part of another.

    Raises:
        Unconvertible: it has no exact builder.
    """
    built = compose_inside(writer, estimator, x)
    assert not isinstance(built, Frame)  # it predicts
    return built


def compose_inside(writer: Writer, estimator: Any, x: Columns) -> Classified | Columns:
    """The same where strings and numbers may come out side by side.

    Raises:
        Unconvertible: it has no exact builder.
    """
    kind = type(estimator)
    if kind not in BUILDERS:
        raise Unconvertible(f"there is no exact graph for {kind.__name__}")
    built = BUILDERS[kind]
    inside = writer.inside(kind.__name__)
    builder: Any = built.builder
    result: Classified | Columns = builder(inside, estimator, x if built.mixed else numbers(inside, x))
    return result


def transform_inside(writer: Writer, estimator: Any, x: Columns) -> Columns:
    """Build a transformer that is part of something else.

    Raises:
        Unconvertible: it has no exact builder, or it predicts and is asked to transform.
    """
    built = compose_inside(writer, estimator, x)
    if isinstance(built, Classified) or is_regressor(estimator):
        raise Unconvertible(f"{type(estimator).__name__} predicts; there is no graph for what it transforms")
    return built


@contextmanager
def place(words: str) -> Iterator[None]:
    """Say where an estimator stands when there is no graph for it."""
    try:
        yield
    except Unconvertible as error:
        raise Unconvertible(f"{words}: {error}") from error


def dtype_of(estimator: Any) -> int:
    """Of probabilities, values or transformed features.

    Raises:
        Unconvertible: it has no exact builder.
    """
    if type(estimator) not in BUILDERS:
        raise Unconvertible(f"there is no exact graph for {type(estimator).__name__}")
    dtype = BUILDERS[type(estimator)].dtype
    return dtype(estimator) if callable(dtype) else dtype


def parse(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Declare one operator for the whole estimator: skl2onnx is not to look inside."""
    operator = scope.declare_local_operator(f"Exact{type(model).__name__}", model)
    for source in inputs:
        operator.inputs.append(source)
    for name in ("label", "probabilities") if is_classifier(model) else ("value",):
        operator.outputs.append(scope.declare_local_variable(name, DoubleTensorType()))
    outputs: list[Any] = operator.outputs
    return outputs


def shapes(operator: Any) -> None:
    """Tell skl2onnx the types of the outputs."""
    estimator = operator.raw_operator
    built = BUILDERS[type(estimator)]
    rows = operator.inputs[0].get_first_dimension()
    if is_classifier(estimator):
        operator.outputs[0].type = Int64TensorType([rows])
    operator.outputs[-1].type = TENSOR_TYPES[dtype_of(estimator)]([rows, built.width(estimator)])


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Let the builder write, and lead what it gives to the names that skl2onnx expects."""
    estimator = operator.raw_operator
    kind = type(estimator)
    writer = Writer(scope, container, "")
    sources = [
        Part(Tensor(source.full_name, _element_type(source)), source.type.shape[1])
        for source in operator.inputs
    ]
    built = build_inside(writer, estimator, flattened(writer, sources))
    outputs = (built.label, built.probabilities) if isinstance(built, Classified) else (built,)
    for made, wanted in zip(outputs, operator.outputs, strict=True):
        name = scope.get_unique_operator_name(f"{kind.__name__}/{wanted.full_name}")
        container.add_node(
            "Identity", [made.name], [wanted.full_name], op_domain="", op_version=16, name=name
        )


def _width(estimator: Any) -> int:
    if is_classifier(estimator):
        return len(estimator.classes_)
    return 1 if is_regressor(estimator) else int(estimator.n_features_in_)


def _element_type(variable: Any) -> int:
    return next(dtype for dtype, kind in TENSOR_TYPES.items() if isinstance(variable.type, kind))
