"""``mps explain``: why a model of a registry answers as it does, and what it looks like. Needs no server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from registry.errors import RegistryError, UnknownModel
from registry.store import Store
from server.errors import ServerError
from server.explanation.document import Document, document
from server.explanation.picture import picture
from server.model import Model
from server.prediction import read_row
from server.settings import SHIPPED_REGISTRY

ABOUT = {
    "probability": "the probability of each class",
    "score": "the score of each class",
    "margin": "the margin, before the link ({link})",
    "value": "the value",
}


def main(argv: list[str]) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit)."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.row is None and arguments.picture is None:
        parser.error("expected --row JSON, --picture FILE or both")
    try:
        _run(arguments)
    except (RegistryError, ServerError) as error:
        print(f"mps explain: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"mps explain: cannot write {arguments.picture}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mps explain", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "model", metavar="NAME[@VERSION]", help="of the registry; default: the current version"
    )
    parser.add_argument("--row", metavar="JSON", help="a row as POST /predict takes it")
    parser.add_argument("--json", action="store_true", help="print what POST /explain answers")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="write the tree or the rules there, as SVG"
    )
    parser.add_argument(
        "--registry",
        type=Path,
        metavar="DIR",
        help="registry root (default: MPS_REGISTRY, else the shipped registry)",
    )
    return parser


def _run(arguments: argparse.Namespace) -> None:
    root = arguments.registry or Path(os.environ.get("MPS_REGISTRY") or SHIPPED_REGISTRY)
    if not root.is_dir():
        raise UnknownModel(f"no registry at {root}; name its folder with --registry or MPS_REGISTRY")
    store = Store(root)
    entry = store.read(*store.resolve(arguments.model))
    model = Model(entry)
    explainer = model.explainer(lambda: entry.model)
    if arguments.picture:
        arguments.picture.write_text(picture(explainer, entry.manifest), "utf-8")
    if arguments.row is not None:
        row = read_row(model, arguments.row.encode("utf-8", "replace"))
        told = document(model, explainer, row)
        print(msgspec.json.encode(told).decode() if arguments.json else "\n".join(_lines(told)))


def _lines(told: Document) -> list[str]:
    lines = [f"{told.model}@{told.version} answers {msgspec.json.encode(told.prediction).decode()}"]
    if told.probabilities:
        lines[0] += "  (" + ", ".join(f"{name} {p:.4g}" for name, p in told.probabilities.items()) + ")"
    if told.path is not None:
        lines += ["", "because", *(f"  {condition.text}" for condition in told.path)]
    elif told.trees:
        lines += ["", f"the sum of {told.trees} trees"]
    lines += ["", f"what each feature added to {ABOUT[told.explains].format(link=told.link)}:", ""]
    head, *rest = _table(told)
    return [*lines, head, "  ".join("-" * len(cell) for cell in _cells(told)[0]), *rest]


def _cells(told: Document) -> list[list[str]]:
    """Rows of equally wide cells."""
    features = list(told.outputs[0].contributions)
    rows = [["", *(output.output for output in told.outputs)]]
    rows.append(["base", *(f"{output.base:.6f}" for output in told.outputs)])
    rows += [[name, *(f"{output.contributions[name]:+.6f}" for output in told.outputs)] for name in features]
    rows.append(["sum", *(f"{output.sum:.6f}" for output in told.outputs)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]


def _table(told: Document) -> list[str]:
    return ["  ".join(row).rstrip() for row in _cells(told)]
