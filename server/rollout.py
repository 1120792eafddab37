"""``mps rollout``: give a model more of a running server's traffic step by step, look at it, give it up."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from functools import partial

import msgspec

from registry.report import aligned
from server.errors import SettingsError
from server.remote import Done, NoAnswer, Refusal, Remote, Unusable, add_arguments
from server.switching.decisions import checked
from server.traffic import Aborted, Rollout

POLL_S = 1.0
"""The server itself looks once a second whether a step is over."""
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SHARES = ("variant", "model", "percent", "seen %", "requests", "failed", "p50 <= ms", "p99 <= ms")
COPIES = ("shadow", "rows", "disagreed", "failed", "skipped")


class Variant(msgspec.Struct):
    """One of those that share the traffic, as ``GET /traffic`` has it."""

    variant: str
    model: str
    percent: float
    seen_percent: float | None
    requests: int
    failed: int
    p50_at_most_ms: float | None
    p99_at_most_ms: float | None


class Shadow(msgspec.Struct):
    """One that gets copies."""

    model: str
    rows: int
    disagreed: int
    failed: int
    skipped: int


class Report(msgspec.Struct):
    """The part of ``GET /traffic`` that is shown."""

    generation: int
    champion: str
    variants: tuple[Variant, ...]
    shadows: tuple[Shadow, ...]
    aborted: tuple[Aborted, ...]
    rollout: Rollout | None


def main(argv: list[str]) -> int:
    """Run the command; 0 done, 1 failed with one line on stderr, 2 usage."""
    arguments = _parser().parse_args(argv)
    try:
        remote = Remote(arguments.url, arguments.timeout, os.environ.get("MPS_ADMIN_TOKEN", ""))
        match arguments.command:
            case "start":
                _start(remote, arguments)
            case "status":
                print("\n".join(status(remote.ask("GET", "/traffic", Report))))
            case _:
                done = remote.ask("DELETE", "/traffic/rollout", Done)
                print(f"generation {done.generation}: {done.model}@{done.version} answers everything")
    except Refusal as error:
        print(f"mps rollout: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def status(report: Report) -> Iterator[str]:
    """Line by line: the rollout, who answers, who gets copies, who was taken out."""
    yield _history(report.rollout) if report.rollout else "no rollout"
    if report.variants:
        yield f"generation {report.generation}:"
        yield from aligned([SHARES, *map(_shares, report.variants)])
    else:
        yield f"generation {report.generation}: {report.champion} answers everything"
    if report.shadows:
        yield from aligned([COPIES, *map(_copies, report.shadows)])
    for each in report.aborted:
        yield f"aborted: {each.model} at {_utc(each.at)}: {each.reason}"


def _start(remote: Remote, arguments: argparse.Namespace) -> None:
    try:
        checked(arguments.steps, arguments.hold)
    except SettingsError as error:
        raise Unusable(str(error)) from None
    wanted = {"model": arguments.model, "steps": arguments.steps, "hold_s": arguments.hold}
    remote.ask("POST", "/traffic/rollout", Done, wanted)
    begun = _look(remote)
    _tell(begun)
    if arguments.wait:
        try:
            _follow(remote, _rollout(begun))
        except KeyboardInterrupt:
            raise Refusal("not followed any longer; the rollout goes on (mps rollout abort)") from None


def _follow(remote: Remote, last: Rollout) -> None:
    """Print each step until the last.

    Raises:
        Refusal: it was aborted, or somebody began another.
    """
    while not last.ended:
        time.sleep(POLL_S)
        report = _look(remote)
        now = _rollout(report)
        if (now.model, now.champion, now.steps) != (last.model, last.champion, last.steps):
            raise Refusal(f"{last.model}: the rollout was replaced by one of {now.model}")
        if (now.step, now.ended) != (last.step, last.ended):
            _tell(report)
        last = now


def _look(remote: Remote) -> Report:
    """Wait out a restart of the server: the rollout outlives it.

    Raises:
        Refusal: there is no answer for longer than a request may take.
    """
    give_up_s = time.monotonic() + remote.timeout_s
    while True:
        try:
            return remote.ask("GET", "/traffic", Report)
        except NoAnswer:
            if time.monotonic() + POLL_S > give_up_s:
                raise
            time.sleep(POLL_S)


def _rollout(report: Report) -> Rollout:
    if report.rollout is None:
        raise Refusal("the server knows of no rollout any longer")
    return report.rollout


def _tell(report: Report) -> None:
    """Print where it stands, at once: whoever reads a pipe waits for it.

    Raises:
        Refusal: it was aborted.
    """
    rollout = _rollout(report)
    if rollout.ended and rollout.ended != "done":
        raise Refusal(f"{rollout.model}: {rollout.ended}; {report.champion} answers everything")
    print(f"generation {report.generation}: {_standing(report.champion, rollout)}", flush=True)


def _standing(champion: str, rollout: Rollout) -> str:
    if rollout.ended:
        return f"{champion} answers everything"
    percent, following = rollout.steps[rollout.step : rollout.step + 2]
    share = f"{rollout.model} gets {percent:g} % of {rollout.champion}'s traffic"
    return f"{share}; next {following:g} % in {rollout.hold_s:.10g} s"


def _history(rollout: Rollout) -> str:
    place = f"step {rollout.step + 1} of {len(rollout.steps)}, {rollout.steps[rollout.step]:g} %"
    until = "until" if rollout.ended.startswith("aborted") else "since"
    end = rollout.ended or f"under way, {rollout.hold_s:.10g} s each"
    return f"rollout of {rollout.model} from {rollout.champion}: {place} {until} {_utc(rollout.since)}: {end}"


def _shares(variant: Variant) -> tuple[str, ...]:
    bounds = variant.p50_at_most_ms, variant.p99_at_most_ms
    shares = _number(variant.percent), _number(variant.seen_percent)
    counts = str(variant.requests), str(variant.failed)
    return variant.variant, variant.model, *shares, *counts, *map(_number, bounds)


def _copies(shadow: Shadow) -> tuple[str, ...]:
    return shadow.model, *map(str, (shadow.rows, shadow.disagreed, shadow.failed, shadow.skipped))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _utc(text: str) -> str:
    """ISO 8601 to the second, for people."""
    return text[:19].replace("T", " ") + " UTC"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mps rollout", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    add_arguments(place)
    token = "The token is read from MPS_ADMIN_TOKEN."
    add = partial(commands.add_parser, parents=[place], allow_abbrev=False)
    start = add("start", help="begin one", epilog=token)
    start.add_argument("model", metavar="NAME[@VERSION]", help="it becomes the champion at the last step")
    start.add_argument(
        "--steps",
        type=_steps,
        default="1,10,50,100",
        metavar="PERCENT,...",
        help="of /predict, rising to 100 (default: %(default)s)",
    )
    start.add_argument(
        "--hold", type=_seconds, default="60s", metavar="TIME", help="of each step (default: %(default)s)"
    )
    start.add_argument("--wait", action="store_true", help="follow it to its end; 1 when it was aborted")
    add("status", help="how far it is, who answers and how well; needs no token")
    add("abort", help="give all traffic back to the champion", epilog=token)
    return parser


def _steps(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected percents such as 1,10,50,100, came {text!r}") from None


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a time such as 500ms, 60s, 5m or 1h, came {text!r}")
    return float(found[1]) * UNITS_S[found[2]]
