"""``mps rollout`` against a server that says what it is told to say."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from server import rollout
from server.rollout import Report, main, status
from server.traffic import Rollout

DONE = {"generation": 6, "model": "random_forest", "version": 1, "workers": 2, "needs_restart": []}
LATE = "2026-10-20T12:00:00.123+00:00"
UNTIL = "xgboost@1: aborted: on request; random_forest@1 answers everything"


def remembered(model: str, steps: tuple[float, ...], hold_s: float, step: int, ended: str = "") -> Rollout:
    """As the server remembers it."""
    return Rollout("random_forest", "file", "random_forest@1", model, steps, hold_s, step, LATE, ended=ended)


def traffic(step: int | None = None, ended: str = "", **more: Any) -> dict[str, Any]:
    """What ``GET /traffic`` answers: a rollout of xgboost at this step."""
    begun = None
    if step is not None:
        rolled = remembered("xgboost@1", (1, 10.5, 100), 60, step, ended)
        begun = {**msgspec.structs.asdict(rolled), "under_way": not ended}
    champion = "xgboost@1" if ended == "done" else "random_forest@1"
    head = {"generation": 4 + (step or 0), "champion": champion, "sticky_header": None}
    return {**head, "variants": [], "shadows": [], "aborted": [], "rollout": begun, **more}


def variant(name: str, percent: float, **seen: Any) -> dict[str, Any]:
    """One of the split, before its first request."""
    nothing = {
        "seen_percent": None,
        "requests": 0,
        "failed": 0,
        "p50_at_most_ms": None,
        "p99_at_most_ms": None,
    }
    return {"variant": name, "model": f"{name}@1", "percent": percent, **nothing, **seen}


class Stub(HTTPServer):
    """Answers what ``traffic`` has, one after the other and the last for ever; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.traffic: list[dict[str, Any] | None] = []
        self.decided: tuple[int, dict[str, Any]] = (200, DONE)
        self.asked: list[tuple[str, str, str | None, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def run(self, *arguments: str) -> int:
        """The command, sent here."""
        return main([*arguments, "--url", self.url, "--timeout", "5"])

    def next_report(self) -> tuple[int, dict[str, Any]] | None:
        told = self.traffic.pop(0) if len(self.traffic) > 1 else self.traffic[0]
        return None if told is None else (200, told)


class Handler(BaseHTTPRequestHandler):
    """Of the stub; None for an answer hangs up."""

    server: Stub

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        token = self.headers["Authorization"]
        self.server.asked.append((self.command, self.path, token, json.loads(body) if body else None))
        told = self.server.next_report() if self.command == "GET" else self.server.decided
        if told is not None:
            self.send_response(told[0])
            self.end_headers()
            self.wfile.write(json.dumps(told[1]).encode())

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Runs in a thread; whoever follows it does not pause."""
    monkeypatch.setattr(rollout, "POLL_S", 0.0)
    monkeypatch.setenv("MPS_ADMIN_TOKEN", "0123456789abcdef")
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_start_says_what_begins(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """One line; the model, its steps and the hold in seconds were asked for, with the token."""
    stub.traffic = [traffic(0)]
    assert stub.run("start", "xgboost", "--steps", "1,10.5,100", "--hold", "1m") == 0
    expected = "generation 4: xgboost@1 gets 1 % of random_forest's traffic; next 10.5 % in 60 s\n"
    assert capsys.readouterr().out == expected
    wanted = {"model": "xgboost", "steps": [1, 10.5, 100], "hold_s": 60}
    assert stub.asked == [
        ("POST", "/traffic/rollout", "Bearer 0123456789abcdef", wanted),
        ("GET", "/traffic", None, None),
    ]


def test_nothing_said_is_the_default(stub: Stub) -> None:
    """1, 10, 50 and 100 percent, a minute each."""
    stub.traffic = [traffic(0)]
    assert stub.run("start", "xgboost") == 0
    assert stub.asked[0][3] == {"model": "xgboost", "steps": [1, 10, 50, 100], "hold_s": 60}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("0s", 0), ("60s", 60), ("1.5m", 90), ("1h", 3600), ("720h", 2592000)],
)
def test_a_hold_has_a_unit(stub: Stub, text: str, seconds: float) -> None:
    """Milliseconds to hours."""
    stub.traffic = [traffic(0)]
    assert stub.run("start", "xgboost", "--hold", text) == 0
    assert stub.asked[0][3]["hold_s"] == seconds


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["start"], r"required: NAME\[@VERSION\]"),
        (["start", "xgboost", "--steps", "1,x,100"], "expected percents such as 1,10,50,100, came '1,x,100'"),
        (["start", "xgboost", "--steps", "10,5,100"], "steps: expected rising percents"),
        (["start", "xgboost", "--steps", "10,50"], "the last of them 100"),
        (["start", "xgboost", "--steps", "nan,100"], "came nan, 100"),
        (["start", "xgboost", "--hold", "60"], "expected a time such as 500ms, 60s, 5m or 1h, came '60'"),
        (["start", "xgboost", "--hold", "-1s"], "expected (a time|one argument)"),
        (["start", "xgboost", "--hold", "721h"], "hold_s: expected seconds from 0 to 2592000, came "),
        (["status", "--url", "nonsense"], "--url: expected http://host:port, came 'nonsense'"),
        (["status", "--url", "http://here:99999"], "--url: expected http://host:port"),
        (["status", "--url", "http://[here"], "--url: expected http://host:port"),
        (["abort", "--timeout", "0"], "--timeout: expected seconds above 0, came 0"),
        (["abort", "--timeout", "nan"], "--timeout: expected seconds above 0, came nan"),
    ],
)
def test_what_is_typed_wrongly_is_not_sent(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, and the last line names what was expected and what came."""
    try:
        code: object = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(words, said.err.splitlines()[-1])


def test_wait_tells_each_step(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """Once each, to the last; a server that is away for a moment is waited for."""
    stub.traffic = [traffic(0), traffic(0), None, traffic(1), traffic(1), traffic(2, "done")]
    assert stub.run("start", "xgboost", "--wait") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.splitlines() == [
        "generation 4: xgboost@1 gets 1 % of random_forest's traffic; next 10.5 % in 60 s",
        "generation 5: xgboost@1 gets 10.5 % of random_forest's traffic; next 100 % in 60 s",
        "generation 6: xgboost@1 answers everything",
    ]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (traffic(0, "aborted: on request"), UNTIL),
        (traffic(), "the server knows of no rollout any longer"),
        (
            traffic(0, rollout=msgspec.structs.asdict(remembered("b@1", (100,), 1, 0))),
            "xgboost@1: the rollout was replaced by one of b@1",
        ),
    ],
)
def test_wait_fails_when_the_rollout_does(
    stub: Stub, capsys: pytest.CaptureFixture[str], last: dict[str, Any], words: str
) -> None:
    """Code 1 and the reason."""
    stub.traffic = [traffic(0), last]
    assert stub.run("start", "xgboost", "--wait") == 1
    assert capsys.readouterr().err == f"mps rollout: {words}\n"


def test_wait_does_not_wait_for_ever(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that stays away is given up after the time that a request may take."""
    stub.traffic = [traffic(0), None]
    assert main(["start", "xgboost", "--wait", "--url", stub.url, "--timeout", "0.2"]) == 1
    assert capsys.readouterr().err.startswith(f"mps rollout: no answer from {stub.url}: ")


def test_whoever_stops_waiting_stops_nothing_else(
    stub: Stub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the command only, and it says so."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    stub.traffic = [traffic(0)]
    monkeypatch.setattr(time, "sleep", interrupted)
    assert stub.run("start", "xgboost", "--wait") == 1
    assert "the rollout goes on" in capsys.readouterr().err
    assert [method for method, *_ in stub.asked] == ["POST", "GET"]


def test_abort_says_who_answers(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    stub.traffic = [traffic()]
    assert stub.run("abort") == 0
    assert capsys.readouterr().out == "generation 6: random_forest@1 answers everything\n"
    assert stub.asked == [("DELETE", "/traffic/rollout", "Bearer 0123456789abcdef", None)]


def test_a_refusal_is_one_line(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """Status and reason, code 1."""
    stub.traffic, stub.decided = [traffic()], (409, {"detail": "no rollout is under way"})
    assert stub.run("abort") == 1
    assert capsys.readouterr().err == "mps rollout: 409: no rollout is under way\n"


def test_some_other_server_is_no_success(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON alone does not make it ours."""
    stub.traffic = [{"hello": "world"}]
    assert stub.run("status") == 1
    assert capsys.readouterr().err == "mps rollout: 200: the answer is not this server's\n"


def test_a_token_that_cannot_be_sent_is_not_shown(
    stub: Stub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end in it, from a file: one line without the token; nothing is sent."""
    monkeypatch.setenv("MPS_ADMIN_TOKEN", "0123456789abcdef\n")
    assert stub.run("abort") == 1
    said = capsys.readouterr().err
    assert said.startswith("mps rollout: MPS_ADMIN_TOKEN: expected ASCII characters")
    assert "0123" not in said
    assert stub.asked == []


def test_status_without_a_rollout(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """Says so, and who answers; the token stays at home."""
    stub.traffic = [traffic()]
    assert stub.run("status") == 0
    assert capsys.readouterr().out == "no rollout\ngeneration 4: random_forest@1 answers everything\n"
    assert stub.asked == [("GET", "/traffic", None, None)]


def test_status_shows_everything() -> None:
    """The rollout, the split, the shadows and what was taken out."""
    seen = {
        "seen_percent": 10.06,
        "requests": 1234,
        "failed": 5,
        "p50_at_most_ms": 0.25,
        "p99_at_most_ms": 2.5,
    }
    shadow = {"model": "heuristic@1", "rows": 900, "disagreed": 3, "failed": 0, "skipped": 12}
    gone = {"model": "decision_tree@2", "reason": "5 of its last 100 requests failed (limit 1 %)", "at": LATE}
    told = traffic(
        1,
        variants=[variant("xgboost", 10.5, **seen), variant("random_forest", 89.5)],
        shadows=[shadow],
        aborted=[gone],
    )
    assert list(status(msgspec.convert(told, Report))) == [
        "rollout of xgboost@1 from random_forest: step 2 of 3, 10.5 % since 2026-10-20 12:00:00 UTC: "
        "under way, 60 s each",
        "generation 5:",
        "variant        model            percent  seen %  requests  failed  p50 <= ms  p99 <= ms",
        "xgboost        xgboost@1        10.5     10.06   1234      5       0.25       2.5",
        "random_forest  random_forest@1  89.5     -       0         0       -          -",
        "shadow       rows  disagreed  failed  skipped",
        "heuristic@1  900   3          0       12",
        "aborted: decision_tree@2 at 2026-10-20 12:00:00 UTC: 5 of its last 100 requests failed (limit 1 %)",
    ]


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("done", "since 2026-10-20 12:00:00 UTC: done"),
        ("aborted: x", "until 2026-10-20 12:00:00 UTC: aborted: x"),
    ],
)
def test_status_of_what_is_over(ended: str, words: str) -> None:
    """Since when it is done, or until when it went, and why no longer."""
    first, *_ = status(msgspec.convert(traffic(2, ended), Report))
    assert first == f"rollout of xgboost@1 from random_forest: step 3 of 3, 100 % {words}"
