"""How to ask a version: a request that can be pasted, and the trained model's own answer to it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import msgspec

from registry.manifest import Feature, Golden, Value
from registry.markdown import fenced
from registry.store import Entry


def question(entry: Entry) -> Iterator[str]:
    """Lines of Markdown: start, request, answer."""
    manifest, golden = entry.manifest, entry.golden
    place = golden.kinds.index("data") if "data" in golden.kinds else 0
    features = manifest.signature.features
    row = {f.name: _told(f, value) for f, value in zip(features, golden.inputs[place], strict=True)}
    yield from fenced("sh", f"mps serve --model {manifest.reference}")
    yield from ("", "with `--registry` and the folder where it is none of the models that ship. Then:", "")
    body = shlex.quote(msgspec.json.encode(row).decode())
    header = "-H 'Content-Type: application/json'"
    yield from fenced("sh", f"curl -X POST localhost:8000/predict {header} \\\n  -d {body}")
    yield from ("", "The trained model's answer to this row, and so this one's within the bound above:", "")
    yield from fenced("json", msgspec.json.encode({"prediction": _answer(golden, place)}).decode())


def _told(feature: Feature, value: Value) -> Value:
    """As a client writes it: an integer without a point."""
    if feature.dtype == "int64" and value is not None:
        return int(value)
    return value


def _answer(golden: Golden, place: int) -> object:
    return golden.labels[place] if golden.labels else golden.values[place]
