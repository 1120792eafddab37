"""The ``mps`` command: hands each subcommand to the room that answers it."""

from __future__ import annotations

import importlib
import sys

from registry.store import Entry

COMMANDS = {
    "serve": ("server.serve", "serve the configured models over HTTP"),
    "reload": ("server.reload", "switch a running server, all workers at once"),
    "rollout": ("server.rollout", "give a model more of the traffic, step by step"),
    "explain": ("server.explanation.command", "say why a model answers as it does, and draw it"),
    "models": ("registry.__main__", "show, verify, judge, promote and roll back models"),
    "convert": ("convert.__main__", "turn a trained model into a proved registry entry"),
    "research": ("research.__main__", "train and compare the example models"),
    "bench": ("bench.__main__", "measure latency and guard the budget"),
}
EXTRAS = {"convert", "research", "bench"}
"""Rooms whose packages the serving install does not have."""


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand. Exit codes: 0 done, 1 failed with one clear line on stderr, 2 usage."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    command, *rest = arguments
    if command not in COMMANDS:
        print(f"mps: unknown command {command!r}; one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(COMMANDS[command][0])  # by name: no room imports another for this
    except ModuleNotFoundError as error:
        if command not in EXTRAS:
            raise
        extra = f"pip install 'ml-production-service[{command}]'"
        print(f"mps {command}: needs the package {error.name}; run: {extra}", file=sys.stderr)
        return 1
    code: int = module.main(rest, _prove) if command == "models" else module.main(rest)
    return code


def _prove(entry: Entry) -> None:
    """Run an entry's golden rows as a server would; the registry itself has no onnxruntime."""
    from server.model import Model

    Model(entry)


def _usage() -> str:
    lines = [f"  {name:<10}{about}" for name, (_, about) in COMMANDS.items()]
    return "usage: mps COMMAND [ARGUMENT ...]\n\n" + "\n".join(lines) + "\n\nmps COMMAND --help says more."


if __name__ == "__main__":
    sys.exit(main())
