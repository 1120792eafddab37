"""A forest as large as one likes, with known answers: one that is there, and trees that say nothing.

``python -m bench.targets.large REGISTRY MEGABYTES`` publishes it there, as ``large``.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import numpy_helper

from registry.store import Entry, Store

NAME = "large"
DEPTH = 16
"""Of the trees that are added: as deep as those of a forest that grew on a hundred thousand rows."""
NODES = (1 << DEPTH) - 1
NODE_BYTES = 24
"""At least, of a node in the file."""


def publish_large(entry: Entry, root: Path, size_bytes: int) -> Entry:
    """Publish and promote the model as ``large``, grown to at least ``size_bytes``.

    Args:
        entry: a forest whose graph has an ``ai.onnx.ml`` 5 TreeEnsemble that adds up.
        root: of the registry.
        size_bytes: of the file.
    """
    model = onnx.load_from_string(entry.model)
    [forest] = [node for node in model.graph.node if node.op_type == "TreeEnsemble"]
    _grow(forest, size_bytes // (NODES * NODE_BYTES) + 1, len(entry.manifest.signature.features))
    grown = model.SerializeToString(deterministic=True)
    described = {"name": NAME, "sha256": hashlib.sha256(grown).hexdigest(), "size_bytes": len(grown)}
    manifest = msgspec.structs.replace(entry.manifest, **described)
    store = Store(root)
    version, _ = store.publish(manifest, grown, entry.golden)
    store.promote(NAME)
    return store.read(NAME, version)


def _grow(forest: onnx.NodeProto, trees: int, features: int) -> None:
    """Add complete trees whose leaves weigh nothing: every sum stays what it is."""
    attributes = {attribute.name: attribute for attribute in forest.attribute}
    nodes, leaves = len(attributes["nodes_featureids"].ints), len(attributes["leaf_targetids"].ints)
    inner = np.arange(NODES)
    last = inner >= NODES // 2
    for tree in range(trees):
        first_node, first_leaf = nodes + tree * NODES, leaves + tree * (NODES + 1)
        attributes["tree_roots"].ints.append(first_node)
        for side, name in enumerate(("true", "false"), 1):
            child = 2 * inner + side
            to = np.where(last, first_leaf + child - NODES, first_node + child)
            attributes[f"nodes_{name}nodeids"].ints.extend(to.tolist())
            attributes[f"nodes_{name}leafs"].ints.extend(last.astype(int).tolist())
        attributes["nodes_featureids"].ints.extend((inner % features).tolist())
        attributes["leaf_targetids"].ints.extend([0] * (NODES + 1))
    added = trees * NODES
    if "nodes_missing_value_tracks_true" in attributes:
        attributes["nodes_missing_value_tracks_true"].ints.extend([0] * added)
    rng = np.random.default_rng(0)
    for name, more in (
        ("nodes_splits", rng.uniform(0, 8, added)),
        ("nodes_modes", np.zeros(added)),
        ("leaf_weights", np.zeros(trees * (NODES + 1))),
    ):
        values = numpy_helper.to_array(attributes[name].t)
        together = np.concatenate([values, more.astype(values.dtype)])
        attributes[name].t.CopyFrom(numpy_helper.from_array(together))


if __name__ == "__main__":
    forest = Store(Path(sys.argv[1])).read("random_forest", 1)
    publish_large(forest, Path(sys.argv[1]), int(sys.argv[2]) * 1_000_000)
