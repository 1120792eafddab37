"""``mps convert``: trained models in, proven entries of the registry out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import registry
from convert.adversary import RANDOM_ROWS, Matrix
from convert.carding import card_from_data, read_card
from convert.errors import ConvertError
from convert.oracle import Oracle
from convert.publish import Sealed, seal
from convert.report import next_command, outcome, parity_table
from convert.source import SUFFIXES, find, load
from convert.table import Table, read
from registry.errors import RegistryError
from registry.manifest import Card, parse_reference
from registry.store import Store

SHIPPED = Path(registry.__file__).parent / "prd"
EPILOG = """
A .joblib or .pkl file is a pickle: reading it runs code that is in it. Convert only pickles that you trust.
Nothing is published unless every model answers as its trainer on every row that was tried.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit)."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.card and not args.data:
        parser.error(
            "expected --card FILE (the trainer's description) or --data FILE.csv (rows to learn it from)"
        )
    if args.model.is_dir() == bool(args.name):
        parser.error("expected --name NAME for one model file; a folder's models are named after their files")
    try:
        return _run(args)
    except (ConvertError, RegistryError) as error:
        print(f"mps convert: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mps convert", description=__doc__, epilog=EPILOG, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "model", metavar="MODEL", type=Path, help=f"a file ({', '.join(SUFFIXES)}), or a folder of such files"
    )
    add("--name", help="name in the registry")
    add(
        "--card",
        type=Path,
        help="the card that training wrote, or a folder with one <file stem>.json per model",
    )
    add("--data", type=Path, metavar="FILE.csv", help="rows to verify on; without --card also feature names")
    add(
        "--target",
        metavar="COLUMN",
        help="column of the right answers (default: the last that is no feature)",
    )
    add("--classes", metavar="A,B,…", help="without --card: names of the model's classes 0, 1, …")
    add(
        "--dtype",
        choices=("float32", "float64"),
        help="without --card: of the features, as the model reads them",
    )
    add("--registry", type=Path, default=SHIPPED, metavar="DIR", help="registry root (default: %(default)s)")
    add("--promote", action="store_true", help="also make it the version that is served")
    add(
        "--random-rows",
        type=_positive,
        default=RANDOM_ROWS,
        metavar="N",
        help="random rows (default: %(default)s)",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive number, came {text!r}")
    return int(text)


@dataclass(frozen=True)
class Order:
    """One model that is to be converted."""

    name: str
    estimator: Any
    card: Card
    data: Matrix | None


def _run(args: argparse.Namespace) -> int:
    table = read(args.data) if args.data else None
    orders = [_order(args, file, table) for file in find(args.model)]
    sealed = [_seal(order, args.random_rows, number, len(orders)) for number, order in enumerate(orders, 1)]
    references = [_publish(Store(args.registry), one, args.promote) for one in sealed]
    print(next_command(references, args.registry, SHIPPED, args.promote))
    return 0


def _order(args: argparse.Namespace, file: Path, table: Table | None) -> Order:
    name, _ = parse_reference(args.name or file.stem)
    estimator = load(file)
    if args.card or table is None:  # main has seen to it that one of the two is there
        card = read_card(args.card / f"{file.stem}.json" if args.card.is_dir() else args.card)
    else:
        classes = args.classes.split(",") if args.classes else None
        card = card_from_data(Oracle(estimator), table, args.target, classes, args.dtype)
    return Order(name, estimator, card, table.matrix(card.signature.names) if table else None)


def _seal(order: Order, random_rows: int, number: int, total: int) -> Sealed:
    def say(step: str) -> None:
        print(f"[{number}/{total}] {order.name}: {step}", file=sys.stderr, flush=True)

    try:
        return seal(order.estimator, order.name, order.card, order.data, random_rows, say)
    except (ConvertError, RegistryError) as error:
        raise type(error)(f"{order.name}: {error}") from error


def _publish(store: Store, sealed: Sealed, promote: bool) -> str:
    name = sealed.manifest.name
    version, new = store.publish(sealed.manifest, sealed.model, sealed.golden)
    if promote:
        store.promote(f"{name}@{version}")
    print(parity_table(sealed.manifest))
    print(outcome(f"{name}@{version}", new, promote))
    return f"{name}@{version}"


if __name__ == "__main__":
    raise SystemExit(main())
