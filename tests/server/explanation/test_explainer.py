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
        told = found.explain(row)  # refused unless it is what is served
        assert np.abs(told.base + told.contributions.sum(axis=0) - told.sums).max() <= 1e-5


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
