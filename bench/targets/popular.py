"""``python -m bench.targets.popular PICKLE PORT``: FastAPI, pydantic, joblib and uvicorn, as people begin."""

from __future__ import annotations

import sys
from typing import Any

import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench.targets.child import HOST
from bench.targets.target import BATCH_PATH, SINGLE_PATH


class Flower(BaseModel):
    """One row."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Rows(BaseModel):
    """Many of them."""

    instances: list[tuple[float, float, float, float]]


class Prediction(BaseModel):
    """The answer to one row."""

    prediction: str


class Predictions(BaseModel):
    """The answer to many."""

    predictions: list[str]


def application(model: Any) -> FastAPI:
    """Plain functions, which FastAPI runs in its thread pool: what its documentation says of such work."""
    app = FastAPI()

    @app.post(SINGLE_PATH)
    def predict(flower: Flower) -> Prediction:
        row = [flower.sepal_length, flower.sepal_width, flower.petal_length, flower.petal_width]
        return Prediction(prediction=model.predict(np.array([row]))[0])

    @app.post(BATCH_PATH)
    def predict_batch(rows: Rows) -> Predictions:
        return Predictions(predictions=model.predict(np.array(rows.instances)).tolist())

    return app


def serve(pickle: str, port: int) -> None:
    """Until told to stop. Its log is off, in its favour."""
    app = application(joblib.load(pickle))
    uvicorn.run(app, host=HOST, port=port, loop="uvloop", http="httptools", log_level="warning")


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
