"""The arguments of ``mps models``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from registry.errors import RegistryError
from registry.gates import MAX_SIZE_MB
from registry.manifest import check_name, parse_reference

ABOUT = "Show, verify, judge, promote and roll back the models of a registry, and write their cards."
MAX_REASON = 500


def parser() -> argparse.ArgumentParser:
    """Of the whole command."""
    whole = argparse.ArgumentParser(prog="mps models", description=ABOUT, allow_abbrev=False)
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--registry",
        type=Path,
        default=argparse.SUPPRESS,  # so that it may stand before or after the subcommand
        metavar="DIR",
        help="registry root (default: MPS_REGISTRY, else the shipped registry)",
    )
    whole.add_argument("--registry", type=Path, metavar="DIR", help="the same, before the subcommand")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    judging = _judging()

    def add(
        name: str, *, help: str, parents: Sequence[argparse.ArgumentParser] = (place,)
    ) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, parents=list(parents), allow_abbrev=False)

    add("list", help="every model: current and other versions, quality, size, budget")
    show = add("show", help="what is known of one version")
    show.add_argument("reference", metavar="NAME[@VERSION]", type=_reference, help="default: the current one")
    verify = add("verify", help="check that entries are sound")
    verify.add_argument(
        "references",
        metavar="NAME[@VERSION]",
        nargs="*",
        type=_reference,
        help="default: all versions of all models; without @VERSION all versions of that model",
    )
    gates = add(
        "gates", parents=[place, judging], help="what the gates say of a version, without promoting it"
    )
    gates.add_argument("reference", metavar="NAME[@VERSION]", type=_reference, help="default: the newest")
    gates.add_argument("--json", action="store_true", help="for programs")
    promote = add(
        "promote",
        parents=[place, judging],
        help="make a version that passes the gates the one that is served",
    )
    promote.add_argument("reference", metavar="NAME[@VERSION]", type=_reference, help="default: the newest")
    promote.add_argument(
        "--force", type=reason, metavar="REASON", help="promote although a gate fails; the history keeps why"
    )
    rollback = add("rollback", help="make the version that was current before the one that is served")
    rollback.add_argument("name", metavar="NAME", type=_name)
    history = add("history", help="promotions and rollbacks of a model")
    history.add_argument("name", metavar="NAME", type=_name)
    _add_card(add("card", help="write the model card of a version: Markdown with pictures"))
    return whole


def _judging() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--champion",
        type=_reference,
        metavar="NAME[@VERSION]",
        help="hold it against this one (default: the current version of the same name)",
    )
    options.add_argument(
        "--max-size-mb",
        type=_positive,
        default=MAX_SIZE_MB,
        metavar="MB",
        help="largest model file, in 10^6 bytes (default: %(default)g)",
    )
    return options


def _add_card(card: argparse.ArgumentParser) -> None:
    which = card.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "reference", metavar="NAME[@VERSION]", nargs="?", type=_reference, help="default: the current one"
    )
    which.add_argument(
        "--all", action="store_true", help="of every version of every model, and an index of them"
    )
    card.add_argument(
        "--out",
        type=Path,
        default=Path("cards"),
        metavar="FOLDER",
        help="the card is FOLDER/NAME/VERSION/README.md, its pictures lie beside it (default: %(default)s)",
    )


def reason(text: str) -> str:
    """Why a gate is overruled: some words in one line."""
    words = " ".join(text.split())
    if not words or not words.isprintable() or len(words) > MAX_REASON:
        raise argparse.ArgumentTypeError(f"expected a reason of 1 to {MAX_REASON} printable characters")
    return words


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, came {text!r}")
    return number


def _reference(text: str) -> str:
    try:
        parse_reference(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _name(text: str) -> str:
    try:
        check_name(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
