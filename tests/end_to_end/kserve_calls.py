"""Calls everything that KServe's REST client has, and prints what came. Run by ``test_v2_clients.py``."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import (  # type: ignore[import-not-found]  # it is installed for this script alone
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RequestedOutput,
    RESTConfig,
)

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], np.float32)
WORDS = np.array([["red"], ["deep blue"]], object)


def asked(model: str, binary: bool) -> InferRequest:
    """A request in either form."""
    inputs = {"input": (ROWS, "FP32")}
    if model == "words":
        numbers = {"weight": (ROWS[:, :1], "FP32"), "count": (np.array([[2], [0]]), "INT64")}
        inputs = {**numbers, "colour": (WORDS, "BYTES"), "note": (WORDS, "BYTES")}
    given = []
    for name, (values, datatype) in inputs.items():
        given.append(InferInput(name, list(values.shape), datatype))
        given[-1].set_data_from_numpy(values, binary_data=binary)
    wanted = [RequestedOutput(name, {"binary_data": binary}) for name in ("probabilities", "label")]
    return InferRequest(model, given, request_id="seven", request_outputs=wanted)


async def main(url: str) -> dict[str, Any]:
    """Each answer by the name of the call."""
    told: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        told["live"] = await client.is_server_live(url)
        told["ready"] = await client.is_server_ready(url)
        told["model ready"] = await client.is_model_ready(url, "words")
        told["other ready"] = await client.is_model_ready(url, "none")
        for model in ("random_forest", "words"):
            for binary in (False, True):
                answer = await client.infer(url, asked(model, binary), model_name=model)
                found = {each.name: each.as_numpy().astype(object) for each in answer.outputs}
                labels = [each.decode() if isinstance(each, bytes) else each for each in found["label"]]
                told[f"{model} {binary}"] = [
                    *(answer.model_name, answer.id, list(found), labels),
                    found["probabilities"].tolist(),
                ]
        try:
            await client.infer(url, asked("random_forest", True), model_name="words")
        except httpx.HTTPStatusError as error:
            told["refused"] = str(error)
    return told


print(json.dumps(asyncio.run(main(sys.argv[1]))))
