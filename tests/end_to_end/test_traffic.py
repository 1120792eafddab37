"""Splits, shadows and aborts on a real server with several workers."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.process import ServerProcess
from tests.end_to_end.fragile import FATAL, registry_with_fragile
from tests.end_to_end.test_serving import EXAMPLE, JSON, call
from tests.end_to_end.test_switching import PATH, ROW, expected, reload

__all__ = ["expected"]

SPLITS: tuple[dict[str, float] | None, ...] = (
    {"random_forest": 50, "xgboost": 50},
    {"random_forest": 20, "decision_tree": 80},
    None,
    {"heuristic": 30, "random_forest": 30, "xgboost": 40},
)
KEYS = [f"user-{number}" for number in range(24)]


def traffic(server: ServerProcess) -> dict[str, Any]:
    """``GET /traffic``."""
    status, _, body = call(server, "GET", "/traffic")
    assert status == 200
    found: dict[str, Any] = json.loads(body)
    return found


def until(server: ServerProcess, seen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until ``GET /traffic`` shows it."""
    end = time.monotonic() + 20
    while not seen(found := traffic(server)):
        assert time.monotonic() < end, (found, server.stderr)
        time.sleep(0.05)
    return found


class User(threading.Thread):
    """Asks again and again, each time as another of ``KEYS``; keeps who answered."""

    def __init__(self, server: ServerProcess, stop: threading.Event, churn: bool) -> None:
        super().__init__(daemon=True)
        self.server, self.stop_asked, self.churn = server, stop, churn
        self.seen: list[tuple[int, str, int, str, str | None, bytes]] = []

    def run(self) -> None:
        connection = self.server.connect()
        while not self.stop_asked.is_set():
            for key in KEYS:
                connection.request("POST", PATH, ROW, {**JSON, "X-User": key})
                response = connection.getresponse()
                body, headers = response.read(), response.headers
                generation, model = int(headers["X-Model-Generation"]), str(headers["X-Model-Name"])
                self.seen.append(
                    (response.status, key, generation, model, headers.get("X-Model-Variant"), body)
                )
                if self.churn:
                    connection.close()
        connection.close()


def test_a_split_switches_everywhere_at_once(expected: dict[str, bytes]) -> None:
    """Each answer is that of a variant of its generation's split; a key meets the same one on any worker."""
    settings: dict[str, Any] = {
        "model_type": "random_forest",
        "sticky_header": "X-User",
        "abort_p99_ms": 1000,
    }
    with ServerProcess(workers=3, **settings) as server:
        allowed, stop = {1: {"random_forest"}}, threading.Event()
        users = [User(server, stop, churn=number % 2 == 0) for number in range(6)]
        for user in users:
            user.start()
        for split in SPLITS * 4:
            status, answer = reload(server, {"split": split})
            assert status == 200, answer
            allowed[answer["generation"]] = set(split or ["random_forest"])
            time.sleep(0.05)
        stop.set()
        for user in users:
            user.join(10)
    seen = [answer for user in users for answer in user.seen]
    assert len(seen) > 200
    met = defaultdict(set)
    for status, key, generation, model, variant, body in seen:
        assert status == 200
        assert model in allowed[generation]
        assert body == expected[model]
        assert variant == (model if len(allowed[generation]) > 1 else None)
        met[generation, key].add(model)
    assert {len(models) for models in met.values()} == {1}
    assert {len(models) for generation, models in _by_generation(met).items() if generation > 1} != {1}


def _by_generation(met: dict[tuple[int, str], set[str]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for (generation, _), models in met.items():
        found[generation] |= models
    return found


def test_a_variant_that_fails_goes_back_to_the_champion(tmp_path: Path) -> None:
    """On all workers, by itself, with the reason; a restart does not try it again, a new split does."""
    registry, state = registry_with_fragile(tmp_path / "registry"), tmp_path / "state"
    settings: dict[str, Any] = {
        "registry": registry,
        "state_dir": state,
        "model_type": "decision_tree",
        "split": "decision_tree=50,fragile=50",
        "abort_min_requests": 20,
        "abort_p99_ms": 1000,
    }
    with ServerProcess(workers=3, **settings) as server:
        statuses = [call(server, "POST", "/predict", FATAL)[0] for _ in range(60)]
        assert sorted(set(statuses)) == [200, 500]
        found = until(server, lambda now: bool(now["aborted"]))
        [aborted] = found["aborted"]
        assert aborted["model"] == "fragile@1"
        assert "requests failed (limit 1 %)" in aborted["reason"]
        assert [(each["variant"], each["percent"]) for each in found["variants"]] == [
            ("fragile", 0),
            ("decision_tree", 100),
        ]
        assert {call(server, "POST", "/predict", FATAL)[0] for _ in range(40)} == {200}
        assert f"variant fragile@1 leaves the split: {aborted['reason']}" in server.stderr
    with ServerProcess(workers=3, **settings) as server:
        assert traffic(server)["aborted"] == [aborted]
        assert {call(server, "POST", "/predict", FATAL)[0] for _ in range(20)} == {200}
        assert reload(server, {"split": {"decision_tree": 90, "fragile": 10}})[0] == 200
        assert traffic(server)["aborted"] == []
        assert traffic(server)["variants"][0]["percent"] == 10


def test_a_shadow_that_fails_fails_nobody(tmp_path: Path) -> None:
    """Copies are counted over all workers, failures among them; every request is answered as without it."""
    registry = registry_with_fragile(tmp_path / "registry")
    settings: dict[str, Any] = {"model_type": "decision_tree", "shadow": "fragile,heuristic"}
    with ServerProcess(workers=3, registry=registry, **settings) as server:
        answers = {call(server, "POST", "/predict", FATAL)[::2] for _ in range(30)}
        answers |= {call(server, "POST", "/predict", EXAMPLE)[::2] for _ in range(30)}
        assert answers == {(200, b'{"prediction":"setosa"}')}
        rows = b'{"instances":[[5.1,3.5,1.4,0.2],[6.0,2.7,5.1,1.6],[6.3,2.5,4.9,1.5]]}'
        status, _, body = call(server, "POST", "/predict/batch", rows)
        assert (status, len(json.loads(body)["predictions"])) == (200, 3)

        def all_met(now: dict[str, Any]) -> bool:
            return all(each["requests"] + each["failed"] + each["skipped"] == 61 for each in now["shadows"])

        fragile, heuristic = until(server, all_met)["shadows"]
        assert (fragile["model"], heuristic["model"]) == ("fragile@1", "heuristic@1")
        assert fragile["failed"] + fragile["skipped"] >= 30 > fragile["skipped"]
        assert heuristic["failed"] == 0
        assert fragile["disagreed"] == 0
        assert "shadow fragile@1 cannot answer what was answered" in server.stderr


@pytest.mark.parametrize("length", [2_000, 1 << 20])
def test_a_sticky_header_of_any_length(length: int) -> None:
    """A long one is refused by name, a huge one before anybody reads it; the next request is answered."""
    split: dict[str, Any] = {"split": "random_forest=60,xgboost=40", "model_type": "random_forest"}
    with ServerProcess(workers=1, sticky_header="X-User", **split) as server:
        try:
            status, _, body = call(server, "POST", "/predict", EXAMPLE, X_User="k" * length)
        except OSError:
            status, body = 431, b""  # the connection was closed while we were still sending
        if length < 5000:
            problem = json.loads(body)
            assert (status, problem["errors"][0]["pointer"]) == (422, "X-User")
            assert "at most 1024 characters, came 2000" in problem["errors"][0]["detail"]
        else:
            assert status == 431
        assert call(server, "POST", "/predict", EXAMPLE, X_User="k")[0] == 200
