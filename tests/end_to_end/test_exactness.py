"""The served answer is the trained model's answer: through conversion, registry, HTTP and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from bench.process import ServerProcess
from convert.__main__ import main as mps_convert
from registry.store import Store
from server.session import within

pytestmark = pytest.mark.usefixtures("untraced")
SEEDED: dict[str, Any] = {"random_state": 0, "n_jobs": 1}


@dataclass(frozen=True)
class Trained:
    """A fitted estimator and the rows that it was fitted on, with their names."""

    estimator: Any
    X: pandas.DataFrame
    y: Any


def framed(load: Any) -> tuple[pandas.DataFrame, Any]:
    """A table of scikit-learn with names that are identifiers."""
    X, y = load(return_X_y=True)
    return pandas.DataFrame(X, columns=[f"f{number}" for number in range(X.shape[1])]), y


def flowers() -> tuple[pandas.DataFrame, Any]:
    """Iris with a column of words."""
    X, y = framed(load_iris)
    return X.assign(soil=np.array(["clay", "sand", "deep loam"])[np.arange(len(X)) % 3]), y


def train() -> dict[str, Trained]:
    """One of each sort: what a careless conversion or a careless server would get wrong."""
    iris, species = framed(load_iris)
    cancer, benign = framed(load_breast_cancer)
    holes = cancer.mask(np.random.default_rng(0).random(cancer.shape) < 0.05)
    sick, progress = framed(load_diabetes)
    mixed, kinds = flowers()
    columns = ColumnTransformer([("words", OneHotEncoder(), ["soil"])], remainder=StandardScaler())
    boosted = XGBClassifier(n_estimators=20, max_depth=3, **SEEDED)
    return {
        name: Trained(estimator.fit(X, y), X, y)
        for name, estimator, X, y in (
            ("forest", RandomForestClassifier(20, max_depth=4, **SEEDED), iris, species == 0),
            ("scaled", make_pipeline(StandardScaler(), boosted), iris, species),
            ("leaves", LGBMClassifier(n_estimators=20, verbose=-1, **SEEDED), holes, benign),
            ("words", make_pipeline(columns, RandomForestClassifier(10, **SEEDED)), mixed, kinds),
            ("smooth", make_pipeline(StandardScaler(), LogisticRegression()), iris, species),
            ("value", RandomForestRegressor(10, **SEEDED), sick, progress),
            ("float32", XGBRegressor(n_estimators=20, max_depth=3, **SEEDED), sick, progress),
        )
    }


@pytest.fixture(scope="module")
def trained() -> dict[str, Trained]:
    return train()


@pytest.fixture(scope="module")
def registry(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every model through the command, as a user would."""
    folder = tmp_path_factory.mktemp("exactness")
    for name, model in trained.items():
        source, data = folder / f"{name}.joblib", folder / f"{name}.csv"
        joblib.dump(model.estimator, source)
        model.X.assign(answer=model.y).to_csv(data, index=False)
        arguments = [str(source), "--name", name, "--data", str(data), "--random-rows", "2000"]
        assert mps_convert([*arguments, "--registry", str(folder / "registry"), "--promote"]) == 0
    return folder / "registry"


@pytest.fixture(scope="module")
def server(registry: Path) -> Iterator[ServerProcess]:
    with ServerProcess(registry=registry, model_type="forest") as running:
        yield running


def ask(server: ServerProcess, path: str, body: Any) -> Any:
    """One answer, as a client reads it."""
    connection = server.connect()
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer
    finally:
        connection.close()


def rows_of(registry: Path, name: str) -> list[list[Any]]:
    """The golden inputs: on and beside thresholds, missing, extreme; as a client would send them."""
    store = Store(registry)
    return [list(row) for row in store.read(name, store.current(name)).golden.inputs]


def expected(model: Trained, rows: list[list[Any]]) -> tuple[list[Any], np.ndarray[Any, Any]]:
    """The trained model's own labels or values, and probabilities, for the numbers that were sent."""
    frame = pandas.DataFrame(rows, columns=model.X.columns).astype(model.X.dtypes)
    answers = model.estimator.predict(frame)
    numbers = model.estimator.predict_proba(frame) if hasattr(model.estimator, "predict_proba") else answers
    return answers.tolist(), np.asarray(numbers, np.float64).reshape(len(rows), -1)


@pytest.mark.parametrize("name", sorted(train()))
def test_over_http(name: str, trained: dict[str, Trained], registry: Path, server: ServerProcess) -> None:
    """JSON and batch, labels, values and probabilities, through the numbers that a client reads."""
    model, rows = trained[name], rows_of(registry, name)
    bound = Store(registry).manifest(name, 1).parity.bound
    labels, numbers = expected(model, rows)
    chances = hasattr(model.estimator, "predict_proba")
    query = "?probabilities=true" if chances else ""
    batch = ask(server, f"/models/{name}/predict/batch{query}", {"instances": rows})
    served = np.array(batch["probabilities"] if chances else batch["predictions"]).reshape(len(rows), -1)
    dtype = np.float32 if name in ("scaled", "float32") else np.float64
    assert within(served.astype(dtype), numbers, bound).all()
    if chances:
        assert batch["predictions"] == labels
        assert [type(label) for label in batch["predictions"]] == [type(label) for label in labels]
    for index in range(0, len(rows), 7):
        body = dict(zip(model.X.columns, rows[index], strict=True))
        single = ask(server, f"/models/{name}/predict{query}", body)
        assert single["prediction"] == batch["predictions"][index]
        if chances:
            alone = np.array([list(single["probabilities"].values())])
            assert within(alone.astype(dtype), numbers[index : index + 1], bound).all()


def test_a_float64_that_float32_cannot_hold(trained: dict[str, Trained], server: ServerProcess) -> None:
    """One float64 ulp decides behind a scaler: the number travels as it is and is rounded nowhere before."""
    model = trained["scaled"]
    low, high = 4.0, 6.0
    middle_row = model.X.mean().tolist()

    def label(value: float) -> int:
        row = pandas.DataFrame([[*middle_row[:2], value, middle_row[3]]], columns=model.X.columns)
        return int(model.estimator.predict(row)[0])

    assert label(low) != label(high)
    while np.nextafter(low, high) < high:
        middle = (low + high) / 2
        low, high = (middle, high) if label(middle) == label(low) else (low, middle)
    assert np.float32(low) == np.float32(high)
    for value in (low, high):
        body = {"instances": [[*middle_row[:2], value, middle_row[3]]]}
        assert ask(server, "/models/scaled/predict/batch", body)["predictions"] == [label(value)]
