"""Functions of the user's own: followed to the bit, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from convert.coding import Coding
from convert.errors import Unconvertible
from convert.graphs.graph import IR_VERSION
from convert.graphs.registration import EXACT
from convert.graphs.targets import target
from convert.graphs.writer import OPSET
from convert.oracle import Oracle
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = ("a", "b", "c", "d")
Function = Callable[..., Any]


def clipped(X: Any, top: float) -> Any:
    """Has an argument."""
    return X.clip(1, top)


EXACTLY: dict[str, tuple[Function, dict[str, Any]]] = {
    "square": (lambda X: X**2, {}),
    "roots": (lambda X: np.hstack([X**0.5, np.sqrt(np.abs(X)), 1 / X, X**-1]), {}),
    "area": (lambda X: np.column_stack([X, X[:, 0] * X[:, 1], X[:, 2] / X[:, 3]]), {}),
    "c_": (lambda X: np.c_[X, X[:, 0] - X[:, 1]], {}),
    "where": (lambda X: np.where((X > 2) & ~(X >= 5), X, -X), {}),
    "select": (lambda X: np.select([X < 1, X < 3], [X, X + 10], default=0.5), {}),
    "clip": (lambda X: np.clip(X, 1, 3), {}),
    "argument": (clipped, {"top": 4.5}),
    "flags": (lambda X: np.column_stack([X, (X[:, 0] > 5) | (X[:, 1] < 3), np.isfinite(X[:, 2])]), {}),
    "rows": (lambda X: np.column_stack([X.sum(axis=1), X.mean(axis=1), X.max(axis=1), X.min(axis=1)]), {}),
    "shares": (lambda X: X / X.sum(axis=1, keepdims=True), {}),
    "chosen": (lambda X: X[:, [2, 0]][:, ::-1], {}),
    "sliced": (lambda X: np.concatenate([X[:, 1:], X[:, :1].reshape(-1, 1)], axis=1), {}),
    "newaxis": (lambda X: X[:, 0][:, None] * X, {}),
    "rounding": (lambda X: np.hstack([np.floor(X), np.ceil(X), np.rint(X), np.trunc(X), np.sign(X - 3)]), {}),
    "whole": (lambda X: X.astype(int) * 2 + 1, {}),
    "single": (lambda X: X.astype(np.float32) / 3, {}),
    "bins": (lambda X: np.column_stack([np.digitize(X[:, 0], [4.0, 5.0, 6.0]), X[:, 1]]), {}),
    "members": (lambda X: np.column_stack([np.isin(X[:, 0], [5.1, 4.9]), X[:, 1]]), {}),
    "steps": (lambda X: np.diff(X, axis=1), {}),
    "extremes": (lambda X: np.maximum(X[:, :2], np.minimum(X[:, 2:], 3)), {}),
    "constants": (lambda X: X * np.array([1.5, 2, 3, 4]) + np.ones_like(X), {}),
    "numbers": (lambda X: np.nan_to_num(np.where(X > 2, np.inf, X), posinf=5.0), {}),
}
ROUNDED: dict[str, Function] = {
    "log": lambda X: np.log(np.abs(X) + 0.1),
    "log1p": lambda X: np.log1p(np.abs(X)),
    "logs": lambda X: np.hstack([np.log2(np.abs(X) + 1), np.log10(np.abs(X) + 1)]),
    "exp": lambda X: np.exp(-X),
    "expm1": lambda X: np.expm1(X / 10),
    "cube": lambda X: X**3,
    "many": lambda X: np.hstack([X, X, X]).sum(axis=1, keepdims=True),
    "waves": lambda X: np.hstack([np.sin(X), np.tanh(X)]),
}


def runtime_has(kind: str) -> bool:
    """Whether the installed onnxruntime has that function of float64."""
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"])], "asked", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options)
    except Missing:
        return False
    return True


if runtime_has("Cos"):  # since 1.29
    ROUNDED["cosine"] = lambda X: np.cos(X)


@pytest.mark.parametrize("name", EXACTLY)
def test_exact_functions(name: str) -> None:
    """Nothing is allowed, nothing is needed."""
    function, options = EXACTLY[name]
    model = make_pipeline(
        FunctionTransformer(function, kw_args=options), DecisionTreeClassifier(random_state=0)
    ).fit(IRIS, SPECIES)
    rows = np.abs(around(model, IRIS, 500)) + 0.01
    assert target(Oracle(model).estimator) == EXACT
    assert prove(model, rows)[1:] == (0, 0, 0.0)


@pytest.mark.parametrize("name", ROUNDED)
def test_functions_that_round(name: str) -> None:
    """A margin is allowed; the tree behind them needs none of it here."""
    model = make_pipeline(FunctionTransformer(ROUNDED[name]), DecisionTreeClassifier(random_state=0))
    model.fit(IRIS, SPECIES)
    assert target(Oracle(model).estimator).margin_ulp
    assert prove(model, around(model, IRIS, 500))[1:3] == (0, 0)


def assigned(X: Any) -> Any:
    """Writes into the frame."""
    X = X.copy()
    X["ratio"] = X["a"] / X["b"]
    X["one"] = 1.0
    return X.drop(columns=["d"]).rename(columns={"a": "first"})


@pytest.mark.parametrize(
    "function",
    [
        assigned,
        lambda X: X.assign(area=X["a"] * X.b, more=lambda made: made["area"].clip(lower=1, upper=20)),
        lambda X: X[["b", "a"]].to_numpy() * 2,
        lambda X: np.column_stack([X["a"], X["b"].fillna(0)]),
        np.sqrt,
    ],
    ids=["assigned", "assign", "chosen", "columns", "ufunc"],
)
def test_functions_of_named_columns(function: Function) -> None:
    """Of pandas, what makes new columns from others."""
    coding = Coding(NAMES)
    model = make_pipeline(FunctionTransformer(function), DecisionTreeClassifier(random_state=0))
    model.fit(coding.frame(IRIS), SPECIES)
    assert prove(model, np.abs(around(model, IRIS, 500)) + 0.01, coding=coding)[1:] == (0, 0, 0.0)


def test_strings_can_be_compared() -> None:
    """And handed on beside numbers."""
    coding = Coding(NAMES, {1: ("u", "v", "w")})
    rows = IRIS.copy()
    rows[:, 1] = np.random.default_rng(0).integers(0, 3, len(rows))

    def flagged(X: Any) -> Any:
        return X.assign(known=np.where(X["b"] == "u", X["a"], 0.0), other=X["b"].isin(["v", "w"]) * X["c"])

    encoded = ColumnTransformer([("text", OneHotEncoder(), ["b"])], remainder="passthrough")
    encoded.set_output(transform="default")
    model = make_pipeline(FunctionTransformer(flagged), encoded, DecisionTreeClassifier(random_state=0))
    model.fit(coding.frame(rows), SPECIES)
    assert prove(model, rows, coding=coding)[1:] == (0, 0, 0.0)


def nothing(X: Any) -> Any:
    """Branches on the data."""
    return X if X[0, 0] > 1 else -X


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (nothing, r"the function 'nothing' cannot be followed: choosing rows"),
        (lambda X: X if (X[:, 0] < 99).all() else -X, r"'<lambda>' cannot be followed: \.all"),
        (lambda X: X - X.mean(axis=0), "np.sum over the rows"),
        (lambda X: np.sort(X, axis=1), "np.sort"),
        (lambda X: np.cbrt(X), "np.cbrt"),
        (lambda X: np.array([row * 2 for row in X]), "a loop over the rows"),
        (lambda X: np.asarray(X, dtype=float) * 2, "an array of known numbers"),
        (lambda X: X * np.arange(len(X))[:, None], "counting the rows"),
        (lambda X: np.hstack([X, np.ones((X.shape[0], 1))]), "counting the rows"),
        (lambda X: np.multiply(X, 2, out=X), r"np.multiply with \['out'\]"),
        (lambda X: np.round(X, 1), "rounding to decimals"),
    ],
)
def test_what_cannot_be_followed(function: Function, reason: str) -> None:
    """The text names the function and the operation."""
    model = make_pipeline(FunctionTransformer(function), DecisionTreeClassifier(random_state=0)).fit(
        IRIS, SPECIES
    )
    with pytest.raises(Unconvertible, match=f"step 'functiontransformer' .*{reason}"):
        prove(model, IRIS)


def test_no_function() -> None:
    """Passes everything on; numpy's own shorthand is what it was."""
    model = make_pipeline(FunctionTransformer(), DecisionTreeClassifier(random_state=0)).fit(IRIS, SPECIES)
    assert prove(model, around(model, IRIS))[1:] == (0, 0, 0.0)
    assert np.c_[[1, 2], [3, 4]].shape == (2, 2)


def last_bits(X: Any) -> Any:
    """What is left of float64 numbers without float32, twice, made large enough for a tree to split."""
    rest = X - X.astype(np.float32)
    return (rest - rest.astype(np.float32)) * 2.0**56


@pytest.mark.parametrize("width", [5, 8, 11, 128, 150, 300])
def test_long_sums(width: int) -> None:
    """numpy adds eight partial sums, and halves what is longer than 128; so does the graph, to the bit."""
    rows = np.random.default_rng(0).normal(size=(150, width))
    steps = (Normalizer("l1"), FunctionTransformer(last_bits), DecisionTreeClassifier(random_state=0))
    model = make_pipeline(*steps).fit(rows, SPECIES)
    assert prove(model, rows)[1:] == (0, 0, 0.0)
