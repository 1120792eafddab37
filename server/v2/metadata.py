"""What the server and its models say of themselves, in the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from registry.errors import RegistryError
from registry.store import Store
from server.generation import Generation, Lane

PLATFORM = "onnx_onnxv1"
BACKEND = "onnxruntime"
EXTENSIONS = (
    *("classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters"),
    "statistics",
)
"""Only what is true, spelled as the protocol's reference server does."""
Json = dict[str, Any]


def server() -> Json:
    """``GET /v2``."""
    package = "ml-production-service"
    return {"name": package, "version": version(package), "extensions": EXTENSIONS}


def model(lane: Lane, generation: Generation) -> Json:
    """``GET /v2/models/{name}``."""
    manifest = lane.model.manifest
    return {
        "name": manifest.name,
        "versions": versions(manifest.name, generation),
        "platform": PLATFORM,
        "inputs": [
            {"name": each.name, "datatype": each.datatype, "shape": [-1, each.width]}
            for each in lane.model.v2.features.tensors
        ],
        "outputs": [
            {"name": each.name, "datatype": each.datatype, "shape": [-1, *each.shape]}
            for each in lane.model.v2.outputs.named
        ],
    }


def versions(name: str, generation: Generation) -> list[str]:
    """Loaded versions of a model, ascending."""
    numbers = {planned.version for planned in generation.plan.models if planned.name == name}
    return [str(number) for number in sorted(numbers)]


def config(lane: Lane) -> Json:
    """``GET /v2/models/{name}/config``: as much of the reference server's ModelConfig as is meant here.

    ``max_batch_size`` is 0, because the first dimension of a shape is not left out.
    """
    manifest, v2 = lane.model.manifest, lane.model.v2
    return {
        "name": manifest.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "version_policy": {"specific": {"versions": [manifest.version]}},
        "max_batch_size": 0,
        "input": [
            {"name": each.name, "data_type": _type(each.datatype), "dims": [-1, each.width]}
            for each in v2.features.tensors
        ],
        "output": [
            {"name": each.name, "data_type": _type(each.datatype), "dims": [-1, *each.shape]}
            for each in v2.outputs.named
        ],
    }


def _type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def index(store: Store, generation: Generation, ready_only: bool) -> list[Json]:
    """``POST /v2/repository/index``: the versions that are loaded, and what else could be."""
    found = [
        {"name": planned.name, "version": str(planned.version), "state": "READY", "reason": ""}
        for planned in sorted(generation.plan.models, key=lambda each: (each.name, each.version))
    ]
    return found if ready_only else found + list(_others(store, {each["name"] for each in found}))


def _others(store: Store, loaded: set[str]) -> Iterable[Json]:
    for name in store.published():
        if name in loaded:
            continue
        try:
            yield {"name": name, "version": str(store.current(name)), "state": "UNAVAILABLE", "reason": ""}
        except RegistryError as error:
            yield {"name": name, "state": "UNAVAILABLE", "reason": str(error)}
