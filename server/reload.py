"""``mps reload``."""

from __future__ import annotations

import argparse
import os
import sys

from server.remote import Done, Refusal, Remote, add_arguments


def main(argv: list[str]) -> int:
    """Ask a running server to switch; prints what every worker serves now."""
    arguments = _parser().parse_args(argv)
    change = dict(arguments.change) | dict.fromkeys(arguments.forget)
    query = "?allow_signature_change=true" if arguments.allow_signature_change else ""
    try:
        remote = Remote(arguments.url, arguments.timeout, os.environ.get("MPS_ADMIN_TOKEN", ""))
        answer = remote.ask("POST", "/config/reload" + query, Done, change or None)
    except Refusal as error:
        print(f"mps reload: {error}", file=sys.stderr)
        return error.exit_code
    print(f"generation {answer.generation}: {answer.model}@{answer.version} on {answer.workers} worker(s)")
    if answer.needs_restart:
        print(f"changed, but only a restart applies it: {', '.join(answer.needs_restart)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mps reload",
        description="Switch a running server: read its configuration again, or set and forget overrides.",
        epilog="The token is read from MPS_ADMIN_TOKEN. Example: mps reload model_type=xgboost",
    )
    parser.add_argument("change", nargs="*", type=_pair, metavar="SETTING=VALUE", help="override to set")
    parser.add_argument("--forget", action="append", default=[], metavar="SETTING", help="override to remove")
    parser.add_argument(
        "--allow-signature-change", action="store_true", help="other features or classes are meant"
    )
    add_arguments(parser)
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected SETTING=VALUE, came {text!r}")
    return name, value
