"""Requests of the Open Inference Protocol as its clients make them, and what their answers say."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray

from registry.store import Entry
from tests.server.application import Client
from tests.server.homemade import admitted, classifier, regression, shelve

LENGTH = "Inference-Header-Content-Length"
DTYPES: dict[str, Any] = {"BOOL": "?", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}
IRIS_ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]], np.float32)
FORMS = ("flat", "nested", "binary")


class Part(NamedTuple):
    """An input: what the JSON says of it, and its bytes behind the JSON."""

    said: dict[str, Any]
    raw: bytes


def part(name: str, values: NDArray[Any], form: str = "flat", datatype: str | None = None) -> Part:
    """Values as an input; a string array holds ``str``."""
    known = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    datatype = datatype or known.get(values.dtype, "BYTES")
    said: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": datatype}
    if form == "binary":
        raw = packed(values)
        return Part(said | {"parameters": {"binary_data_size": len(raw)}}, raw)
    return Part(said | {"data": (values if form == "nested" else values.reshape(-1)).tolist()}, b"")


def packed(values: NDArray[Any]) -> bytes:
    """In the protocol's binary form."""
    if values.dtype != object:
        return values.tobytes()
    texts = [text.encode() for text in values.reshape(-1).tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def request(*parts: Part, **rest: Any) -> tuple[bytes, dict[str, str]]:
    """Body and headers."""
    text = json.dumps({"inputs": [each.said for each in parts], **rest}).encode()
    binary = any("binary_data_size" in each.said.get("parameters", {}) for each in parts)
    return text + b"".join(each.raw for each in parts), {LENGTH: str(len(text))} if binary else {}


def infer(client: Client, model: str, *parts: Part, **rest: Any) -> httpx.Response:
    """Ask for an inference."""
    body, headers = request(*parts, **rest)
    return client.post(f"/v2/models/{model}/infer", content=body, headers=headers)


def outputs(response: httpx.Response) -> dict[str, NDArray[Any]]:
    """The arrays that an answer holds, in its order."""
    assert response.status_code == 200, response.text[:500]
    size = response.headers.get(LENGTH)
    assert response.headers["content-type"] == ("application/octet-stream" if size else "application/json")
    text = response.content if size is None else response.content[: int(size)]
    left = b"" if size is None else response.content[int(size) :]
    found = {}
    for output in json.loads(text)["outputs"]:
        length = output.get("parameters", {}).get("binary_data_size")
        if length is None:
            values = np.array(output["data"], DTYPES.get(output["datatype"], object))
        else:
            values, left = unpacked(output["datatype"], left[:length]), left[length:]
        found[output["name"]] = values.reshape(output["shape"])
    assert left == b""
    return found


def unpacked(datatype: str, raw: bytes) -> NDArray[Any]:
    """From the protocol's binary form."""
    if datatype != "BYTES":
        return np.frombuffer(raw, DTYPES[datatype])
    texts: list[str] = []
    while raw:
        (size,) = struct.unpack_from("<I", raw)
        texts.append(raw[4 : 4 + size].decode())
        raw = raw[4 + size :]
    return np.array(texts, object)


def refused(response: httpx.Response, *words: str, status: int = 400) -> None:
    """An error exactly as the protocol has it."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/json"
    told = response.json()
    assert list(told) == ["error"]
    for word in words:
        assert word in told["error"]


def iris(form: str = "flat", rows: NDArray[Any] = IRIS_ROWS) -> Part:
    """The input of a shipped model."""
    return part("input", rows, form)


def columns(rows: Sequence[Sequence[Any]], *forms: str) -> list[Part]:
    """The inputs of a homemade model: one column for each feature; forms in turn."""
    dtypes = {"weight": np.float32, "count": np.int64, "colour": object, "note": object}
    return [
        part(name, np.array([row[at] for row in rows], dtype).reshape(-1, 1), forms[at % len(forms)])
        for at, (name, dtype) in enumerate(dtypes.items())
    ]


def homemade(root: Path) -> str:
    """A registry with one model of every sort."""
    entries: list[Entry] = [
        classifier("words"),
        classifier("wholes", (0, 1)),
        classifier("truths", (False, True)),
        classifier("points", (1.0, 2.5)),
        classifier("unsure", probabilities=False),
        admitted(regression("amount"), "its publisher said so"),
    ]
    return shelve(root, *entries)
