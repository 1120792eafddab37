"""Which models are explained, by what, and which are refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from convert.coding import Coding
from server.errors import NotExplainable
from server.explanation import explainer as explaining
from server.explanation.columns import Columns
from server.explanation.explainer import Explainer
from server.explanation.graph import read
from tests.convert.proof import around, punched
from tests.server.explanation.asked import (
    DIABETES,
    IRIS,
    PROGRESS,
    SPECIES,
    Asked,
    asked,
    by_definition,
    changed,
    graph_of,
)

TWO = (SPECIES > 0).astype(int)
PIPELINE = graph_of(
    make_pipeline(SimpleImputer(), MinMaxScaler(), RandomForestClassifier(2, random_state=0)).fit(IRIS, TWO)
)


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


def test_trees_behind_a_scaler() -> None:
    """A split on a scaled column is one on the feature: the definition over what the trees read."""
    model = make_pipeline(MinMaxScaler(), DecisionTreeClassifier(max_depth=4, random_state=0))
    model.fit(IRIS, SPECIES)
    found = asked(model)
    for row in around(model, IRIS, 20)[::60]:
        expected = by_definition([model[1].tree_], model[0].transform([row])[0], 4)
        assert np.abs(found.explain(row).contributions - expected).max() <= 1e-12


def test_two_columns_of_one_feature_are_one_player() -> None:
    """A feature and its flag of being missing are known together or not at all."""
    table = punched(IRIS)
    model = make_pipeline(
        SimpleImputer(add_indicator=True), DecisionTreeClassifier(max_depth=5, random_state=0)
    )
    model.fit(table, np.isnan(table).sum(axis=1) % 3)
    found = asked(model)
    forest = found.explainer.forest
    assert forest is not None
    assert forest.feature.max() >= 4
    told = [found.explain(row) for row in table[::10]]
    assert all(each.contributions.shape == (4, 3) for each in told)


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(n_estimators=3, random_state=0),
        XGBClassifier(n_estimators=3, objective="binary:logitraw"),
        make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_is_a_sum_of_trees_after_all(model: Any) -> None:
    """Is explained, and held against what is served, on every row."""
    found = asked(model.fit(IRIS, TWO))
    for row in around(model, IRIS, 10)[::10]:
        found.explain(row)


def constant(proto: onnx.ModelProto) -> None:
    """Without what covers there are."""
    del proto.metadata_props[:]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (SVC(), "neither an ensemble of trees nor a linear model"),
        (KNeighborsClassifier(), "neither an ensemble of trees nor a linear model"),
        (GaussianNB(), "neither an ensemble of trees nor a linear model"),
        (
            XGBClassifier(booster="gblinear", n_estimators=2),
            "neither an ensemble of trees nor a linear model",
        ),
        (XGBClassifier(n_estimators=2, objective="binary:hinge"), "none of the known ways"),
        (MLPClassifier((3,), max_iter=5000, random_state=0, tol=1e-2), "none of the known ways"),
        (SGDClassifier(loss="modified_huber", random_state=0), "none of the known ways"),
        (make_pipeline(PolynomialFeatures(), LinearSVC(max_iter=100000)), "meet in"),
        (make_pipeline(KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), LinearSVC()), "MatMul"),
        (
            VotingClassifier(
                [("a", LogisticRegression(max_iter=1000)), ("b", DecisionTreeClassifier())], voting="soft"
            ),
            r"meet in 2 places \(Gemm, TreeEnsemble\)",
        ),
        (
            make_pipeline(
                make_union(StandardScaler(), FunctionTransformer(np.exp)), DecisionTreeClassifier(max_depth=2)
            ),
            "meet in",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_explained_says_why(model: Any, why: str) -> None:
    """Never an approximation."""
    with pytest.raises(NotExplainable, match=why):
        asked(model.fit(IRIS, TWO))


def test_text_is_refused() -> None:
    """Pipelines of strings."""
    table = np.array([["red"], ["blue"], ["red"], ["green"]] * 5, object)
    model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(table, [1, 0, 1, 0] * 5)
    coding = Coding(("colour",), {0: ("blue", "green", "red")})
    content, signature = graph_of(model, coding)
    with pytest.raises(NotExplainable, match=r"it reads text \(LabelEncoder\)"):
        Explainer(content, signature)


def test_text_that_nothing_reads_is_no_hindrance() -> None:
    """Columns that a pipeline leaves out."""
    numbers = make_column_transformer(("passthrough", [0, 2]))
    table = np.column_stack([IRIS[:, :2].astype(object), ["red", "blue"] * 75])[:, [0, 2, 1]]
    model = make_pipeline(numbers, DecisionTreeClassifier(max_depth=3, random_state=0)).fit(table, SPECIES)
    coding = Coding(("a", "colour", "b"), {1: ("blue", "red")})
    content, signature = graph_of(model, coding)
    found = Explainer(content, signature).explain((5.1, "red", 3.5))
    expected = by_definition([model[1].tree_], np.array([5.1, 3.5]), 2)
    assert np.abs(found.contributions[[0, 2]] - expected).max() <= 1e-12
    assert not found.contributions[1].any()


def test_trees_that_ask_other_trees_are_refused() -> None:
    """A question is to one feature; a stack of models is none."""
    members = [(f"{depth}", DecisionTreeRegressor(max_depth=depth, random_state=0)) for depth in (2, 3)]
    model = StackingRegressor(members, DecisionTreeRegressor(random_state=0), cv=3, passthrough=True)
    with pytest.raises(NotExplainable, match=r"meet in \d places \(Concat, TreeEnsemble\)"):
        asked(model.fit(IRIS, SPECIES))


def test_a_product_the_other_way_round_is_refused() -> None:
    """The features are expected on the left."""
    model, signature = graph_of(LinearRegression().fit(IRIS, SPECIES))

    def swapped(proto: onnx.ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "Gemm")
        node.input[0], node.input[1] = node.input[1], node.input[0]

    with pytest.raises(NotExplainable, match="not the first input of its Gemm"):
        Explainer(changed(model, swapped), signature)


def test_models_of_older_graphs_are_refused() -> None:
    """Without covers nothing is made up; with a cover of zero neither."""
    model, signature = graph_of(DecisionTreeClassifier(max_depth=2).fit(IRIS, SPECIES))
    with pytest.raises(NotExplainable, match="convert the trained model again"):
        Explainer(changed(model, constant), signature)

    def emptied(proto: onnx.ModelProto) -> None:
        told = proto.metadata_props[0]
        told.value = "0" + told.value[told.value.index(" ") :]

    with pytest.raises(NotExplainable, match="no training row came to one of its leaves"):
        Explainer(changed(model, emptied), signature)


def renamed(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].name = "f0"


def narrowed(proto: onnx.ModelProto) -> None:
    for attribute in proto.graph.node[0].attribute:
        if attribute.name == "nodes_featureids":
            attribute.ints[0] = 9


def scored(proto: onnx.ModelProto) -> None:
    for attribute in proto.graph.node[0].attribute:
        if attribute.name == "n_targets":
            attribute.i = 5


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (renamed, "inputs are not the features"),
        (narrowed, "columns that are not there"),
        (scored, "5 sums for 2"),
    ],
)
def test_graphs_that_do_not_fit_their_signature(change: Any, why: str) -> None:
    """Are told to be not understood."""
    model, signature = graph_of(RandomForestClassifier(2, random_state=0).fit(IRIS, TWO))
    Explainer(model, signature)
    with pytest.raises(NotExplainable, match=f"not one that is understood here: .*{why}"):
        Explainer(changed(model, change), signature)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_graphs_of_any_shape_are_refused_or_explained(data: st.DataObject) -> None:
    """Operators without inputs, outputs or attributes, in another order: nothing else happens."""

    def shuffled(proto: onnx.ModelProto) -> None:
        node = data.draw(st.sampled_from(list(proto.graph.node)))
        part = data.draw(st.sampled_from([node.input, node.output, node.attribute, proto.graph.node]))
        what = data.draw(st.sampled_from(["clear", "first", "last", "turn", "swap"]))
        match what:
            case "clear":
                del part[:]
            case "first":
                del part[:1]
            case "last":
                del part[-1:]
            case "turn":
                part.reverse()
            case "swap" if part is not proto.graph.node:
                node.op_type = data.draw(
                    st.sampled_from(["Gather", "Concat", "Where", "TreeEnsemble", "Gemm"])
                )

    with suppress(NotExplainable):
        explainer = Explainer(changed(PIPELINE[0], shuffled), PIPELINE[1])
        explainer.explain(tuple(IRIS[0].tolist()))


def test_a_large_graph_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap is on bytes, before anything is done with them."""
    monkeypatch.setattr(explaining, "MAX_MODEL_BYTES", 0)
    model, signature = graph_of(LinearRegression().fit(DIABETES, PROGRESS))
    with pytest.raises(NotExplainable, match="takes more than 0 MiB"):
        Explainer(model, signature)


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


@pytest.fixture(scope="module")
def forest() -> Asked:
    """Of three classes, float64 sums."""
    return asked(RandomForestClassifier(5, max_depth=3, random_state=0).fit(IRIS, SPECIES))


def test_an_explanation_of_another_answer_does_not_pass(forest: Asked) -> None:
    """Planted: a contribution that is off, an answer that is another one, too few numbers, another label."""
    row = tuple(IRIS[80].tolist())
    found, served = forest.explainer.explain(row), forest.session.one_answer(row)
    numbers, label = served.numbers[0].tolist(), int(served.labels[0])
    forest.explainer.check(found, label, numbers)
    forest.explainer.check(found, label, [])
    off = found._replace(contributions=found.contributions + 1e-6)
    for wrong, said, told in (
        (off, label, numbers),
        (found, label, [number + 1e-6 for number in numbers]),
        (found, label, numbers[:2]),
        (found, (label + 1) % 3, []),
    ):
        with pytest.raises(NotExplainable, match="do not add up to the answer"):
            forest.explainer.check(wrong, said, told)


def test_a_link_that_is_taken_for_another_cannot_pass() -> None:
    """Operators are looked at, and the answer is held against them."""
    found = asked(XGBRegressor(n_estimators=4, objective="count:poisson").fit(IRIS, SPECIES))
    found.explain(IRIS[0])
    found.explainer.link = "identity"
    with pytest.raises(NotExplainable, match="do not add up"):
        found.explain(IRIS[0])


def test_regression_trees() -> None:
    """A tree of one number per leaf, zeros among them."""
    model = DecisionTreeRegressor(max_depth=5, random_state=0).fit(IRIS, np.maximum(SPECIES - 1, 0))
    found = asked(model)
    for row in IRIS[::10]:
        expected = by_definition([model.tree_], row, 4)
        assert np.abs(found.explain(row).contributions - expected).max() <= 1e-12


def test_what_is_followed_is_what_onnxruntime_does() -> None:
    """Every operator on columns, against onnxruntime, with NaN, infinities and zeros."""
    import onnxruntime

    helper, numbers = onnx.helper, onnx.TensorProto
    constants = {
        "row": np.array([[0.5, -2.0, 0.0]]),
        "one": np.array(1.5),
        "picked": np.array([2, 0, 0]),
        "nan": np.array(np.nan),
    }
    binary = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less", "LessOrEqual"]
    binary += ["Greater", "GreaterOrEqual"]
    nodes = [helper.make_node(kind, ["x", "row"], [kind]) for kind in binary]
    nodes += [helper.make_node(kind, ["x"], [kind]) for kind in ("Abs", "Neg", "IsNaN", "Identity")]
    nodes += [
        helper.make_node("Not", ["Less"], ["Not"]),
        helper.make_node("And", ["Less", "Equal"], ["And"]),
        helper.make_node("Or", ["Less", "IsNaN"], ["Or"]),
        helper.make_node("Where", ["IsNaN", "one", "x"], ["Where"]),
        helper.make_node("Gather", ["x", "picked"], ["Gather"], axis=1),
        helper.make_node("Concat", ["x", "Abs"], ["Concat"], axis=1),
        helper.make_node("Cast", ["x"], ["Cast"], to=numbers.FLOAT),
        helper.make_node("Cast", ["IsNaN"], ["flag"], to=numbers.DOUBLE),
    ]
    names = [node.output[0] for node in nodes]
    graph = helper.make_graph(
        nodes,
        "columns",
        [helper.make_tensor_value_info("x", numbers.DOUBLE, [1, 3])],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    content = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    columns = Columns(read(content), {"x": np.arange(3)}, {})
    for row in ([0.5, -2.0, 0.0], [np.nan, np.inf, -0.0], [1e-320, -np.inf, 0.1], [0.25, 7, np.nan]):
        x = np.array([row])
        mine = columns.values({"x": x})
        for name, theirs in zip(names, session.run(names, {"x": x}), strict=True):
            assert mine[name].dtype == theirs.dtype, name
            np.testing.assert_array_equal(mine[name], theirs, err_msg=name)
    assert columns.sources["Gather"].tolist() == [2, 0, 0]
    assert columns.sources["Concat"].tolist() == [0, 1, 2, 0, 1, 2]
    assert columns.sources["Where"].tolist() == [0, 1, 2]


def test_what_is_not_followed() -> None:
    """Operators over several columns, along rows, out of range, on shapes that do not fit."""
    helper, numbers = onnx.helper, onnx.TensorProto
    constants = {
        "cube": np.ones((1, 1, 1)),
        "three": np.ones((1, 3)),
        "tall": np.ones((2, 1)),
        "far": np.array([7]),
        "at": np.array([0]),
    }
    nodes = [
        helper.make_node("Add", ["x", "y"], ["different"]),
        helper.make_node("Add", ["x", "three"], ["wider"]),
        helper.make_node("Add", ["x", "tall"], ["taller"]),
        helper.make_node("Add", ["x", "cube"], ["deeper"]),
        helper.make_node("Concat", ["x", "y"], ["below"], axis=0),
        helper.make_node("Concat", ["x", "three"], ["beside a constant"], axis=1),
        helper.make_node("Gather", ["x", "far"], ["out of range"], axis=1),
        helper.make_node("Gather", ["x", "at"], ["rows"], axis=0),
        helper.make_node("Cast", ["x"], ["text"], to=numbers.STRING),
        helper.make_node("Sin", ["x"], ["sine"]),
        helper.make_node("Abs", ["x"], ["elsewhere"], domain="com.example"),
        helper.make_node("Abs", ["three"], ["constant"]),
        helper.make_node("Concat", ["x", "z"], ["narrow"], axis=1),
        helper.make_node("Add", ["narrow", "x"], ["narrower"]),
    ]
    inputs = [helper.make_tensor_value_info(name, numbers.DOUBLE, [1, 2]) for name in "xyz"]
    graph = helper.make_graph(
        nodes, "columns", inputs, inputs, [onnx.numpy_helper.from_array(v, n) for n, v in constants.items()]
    )
    content = helper.make_model(graph).SerializeToString()
    given = {"x": np.array([0, 1]), "y": np.array([1, 0]), "z": np.array([2])}
    columns = Columns(read(content), given, {})
    assert columns.sources.keys() - given.keys() == {"narrow"}


def test_columns_that_are_not_the_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what is calculated of a row has one number more than was understood."""
    whole = Columns.values
    model, signature = PIPELINE
    monkeypatch.setattr(
        Columns,
        "values",
        lambda *given: {n: np.append(v, [[0]], 1) for n, v in whole(*given).items() if v.ndim == 2},
    )
    with pytest.raises(NotExplainable, match="columns are not the features"):
        Explainer(model, signature)
