"""``mps convert``: trained models in, proven entries of the registry out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convert.errors import ConvertError
from convert.proving.adversary import RANDOM_ROWS
from convert.publish import SHIPPED, Order, prepare, publish
from convert.report import next_command, outcome, proof, state
from convert.sealing import Sealed, seal
from convert.sources.carding import read_card
from convert.sources.ranges import Range, parse
from convert.sources.source import SUFFIXES, find, load
from convert.sources.table import Table, read
from registry import promotion
from registry.arguments import reason
from registry.errors import PromotionRefused, RegistryError
from registry.store import Store

EPILOG = """
A .joblib or .pkl file is a pickle: reading it runs code that is in it, and so does package.module:function.
Convert only what you trust. Nothing is published unless every model answers as its trainer on every row that
was tried.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage (raised as SystemExit)."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.force and not args.promote:
        parser.error("--force REASON overrules the gates of --promote, which is not there")
    if args.model.is_dir() == bool(args.name):
        parser.error("expected --name NAME for one model; a folder's models are named after their files")
    try:
        return _run(args)
    except (ConvertError, RegistryError) as error:
        print(f"mps convert: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mps convert", description=__doc__, epilog=EPILOG, allow_abbrev=False
    )
    _add_model(parser)
    add = parser.add_argument
    add("--registry", type=Path, default=SHIPPED, metavar="DIR", help="registry root (default: %(default)s)")
    add("--promote", action="store_true", help="also make it the version that is served, if its gates pass")
    add("--force", type=reason, metavar="REASON", help="with --promote: although a gate fails, and why")
    add(
        "--allow-inexact",
        action="store_true",
        help="publish even a model that misses its target; the entry says by how much",
    )
    add(
        "--random-rows",
        type=_positive,
        default=RANDOM_ROWS,
        metavar="N",
        help="random rows that are tried (default: %(default)s)",
    )
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and what is known of it."""
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        type=Path,
        help=f"a file ({', '.join(SUFFIXES)}), package.module:function that returns a fitted estimator, or a "
        "folder of files",
    )
    add("--name", help="name in the registry")
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="CSV or Parquet with the feature columns: names, types, categories and what the training rows "
        "looked like come from it, and its rows are part of the proof",
    )
    add(
        "--target", metavar="COLUMN", help="column of the right answers (default: the one that is no feature)"
    )
    add("--classes", metavar="A,B,…", help="names of the model's classes, in their order")
    add("--dtype", choices=("float32", "float64"), help="of the numbers (default: as the model reads them)")
    add(
        "--range",
        action="append",
        default=[],
        type=_range,
        metavar="FEATURE=LOW:HIGH",
        dest="ranges",
        help="numbers that are answered, others are refused; either end may be left out; may be repeated",
    )
    add(
        "--card",
        type=Path,
        metavar="FILE",
        help="the card that training wrote, with units and ranges, or a folder with one <file stem>.json per "
        "model",
    )


def _range(text: str) -> tuple[str, Range]:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive number, came {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    table = read(args.data) if args.data else None
    orders = [_order(args, file, table) for file in find(args.model)]
    sealed = [_seal(args, order, number, len(orders)) for number, order in enumerate(orders, 1)]
    store = Store(args.registry)
    published = [_publish(store, one) for one in sealed]
    references = [reference for reference, _ in published]
    try:
        states = _promote(store, references, args.force or "") if args.promote else [""] * len(references)
    except PromotionRefused:  # of any: none is promoted, and all are published
        print(*(outcome(reference, new) for reference, new in published), sep="\n")
        raise
    print(*map(outcome, references, (new for _, new in published), states), sep="\n")
    print(next_command(references, args.registry, SHIPPED, args.promote))
    return 0


def _order(args: argparse.Namespace, file: Path, table: Table | None) -> Order:
    name = args.name or file.stem
    classes = args.classes.split(",") if args.classes else None
    card = None
    if args.card:
        card = read_card(args.card / f"{file.stem}.json" if args.card.is_dir() else args.card)
    return prepare(load(file), name, table, card, args.target, classes, args.dtype, dict(args.ranges))


def _seal(args: argparse.Namespace, order: Order, number: int, total: int) -> Sealed:
    def say(step: str) -> None:
        print(f"[{number}/{total}] {order.name}: {step}", file=sys.stderr, flush=True)

    try:
        return seal(
            order.oracle,
            order.name,
            order.card,
            order.data,
            random_rows=args.random_rows,
            insist=args.allow_inexact,
            say=say,
        )
    except (ConvertError, RegistryError) as error:
        raise type(error)(f"{order.name}: {error}") from error


def _publish(store: Store, sealed: Sealed) -> tuple[str, bool]:
    version, new = publish(store, sealed)
    print(proof(sealed.manifest))
    return f"{sealed.manifest.name}@{version}", new


def _promote(store: Store, references: list[str], force: str) -> list[str]:
    """All or none: every gate of every model is asked before the first is promoted. What became of each."""
    for reference in references:
        name, version = store.resolve(reference)
        if store.current_or_none(name) != version:
            promotion.check(store, reference, force=force)
    done = [promotion.promote(store, reference, force=force) for reference in references]
    return [state(each) for each in done]


if __name__ == "__main__":
    raise SystemExit(main())
