"""``/traffic``: who answers, and how well; what a split shows of itself, and what the metrics say of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from server.counters import BUCKETS_S
from server.generation import Serving
from server.plan import Past, draw
from server.settings import resolve
from server.shadow import Shadows
from server.split import Split, Turns, cgi_name
from server.traffic import Aborted, Rollout
from tests.server.application import IRIS, Client, serve
from tests.server.shadowing import shadowed, until_met

Connect = Callable[..., Client]
ROWS = {"instances": [list(IRIS.values())] * 3}
UNLIKE = dict(zip(IRIS, [4.4, 2.1, 6.0, 1.1], strict=True))
"""The heuristic says versicolor, the others virginica."""


def traffic(client: Client) -> dict[str, Any]:
    """What is reported; it needs no token."""
    response = client.get("/traffic")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def by_variant(client: Client) -> dict[str, dict[str, Any]]:
    """What is reported of each variant."""
    return {each["variant"]: each for each in traffic(client)["variants"]}


def metrics(client: Client) -> dict[str, float]:
    """Every sample."""
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_without_a_split_there_is_little_to_tell(connect: Connect) -> None:
    """The champion and the limits that would hold, of each model its own budget."""
    assert traffic(connect()) == {
        "generation": 1,
        "champion": "heuristic@1",
        "sticky_header": None,
        "variants": [],
        "shadows": [],
        "limits": {
            "error_percent": 1.0,
            "p99_ms": {
                f"{name}@1": 10.0 for name in ("decision_tree", "heuristic", "random_forest", "xgboost")
            },
            "min_requests": 100,
            "window_s": 30,
        },
        "aborted": [],
        "rollout": None,
    }


def test_limits_are_those_that_are_set(connect: Connect) -> None:
    """One for all models, where the setting names one."""
    limits = {"error_percent": 0.0, "p99_ms": 7.5, "min_requests": 5, "window_s": 60}
    client = connect(**{f"abort_{name}": value for name, value in limits.items()})
    assert traffic(client)["limits"] == limits


def test_each_variant_is_told_apart(connect: Connect) -> None:
    """What the answers said of themselves is what is reported: requests, rows, shares and times."""
    client = connect(split="random_forest=60,xgboost=40")
    said = Counter[str]()
    for number in range(40):
        path, body = ("/predict/batch", ROWS) if number % 4 == 0 else ("/predict", IRIS)
        response = client.post(path, json=body)
        variant = response.headers["x-model-variant"]
        assert response.headers["x-model-name"] == variant
        assert response.json() in ({"prediction": "setosa"}, {"predictions": ["setosa"] * 3})
        said.update({f"{variant} requests": 1, f"{variant} rows": 3 if number % 4 == 0 else 1})
    found = by_variant(client)
    assert list(found) == ["random_forest", "xgboost", "heuristic"]
    for name, percent in (("random_forest", 60.0), ("xgboost", 40.0), ("heuristic", 0.0)):
        each = found[name]
        requests = said[f"{name} requests"]
        assert (each["model"], each["percent"], each["requests"]) == (f"{name}@1", percent, requests)
        assert (each["seen_percent"], each["rows"]) == (requests * 2.5, said[f"{name} rows"])
        assert (each["refused"], each["failed"], each["keyless"]) == (0, 0, 0)
        bounds = [each["p50_at_most_ms"], each["p99_at_most_ms"]]
        assert (
            bounds == [None, None] if not requests else set(bounds) <= {bound * 1000 for bound in BUCKETS_S}
        )
    assert 22 <= said["random_forest requests"] <= 26


def test_nothing_seen_has_no_share(connect: Connect) -> None:
    """Before the first request there is no percentage."""
    for each in by_variant(connect(split="heuristic=50,xgboost=50")).values():
        assert (each["requests"], each["seen_percent"], each["p99_at_most_ms"]) == (0, None, None)


def test_refusals_and_failures_are_the_variants_own(connect: Connect) -> None:
    """Each carries the variant's name, and is counted with it."""
    serving = serve(split="heuristic=50,xgboost=50")
    client = connect(serving)
    model = serving.generation.lanes["xgboost"].model
    refused = Counter(client.post("/predict", json={}).headers["x-model-variant"] for _ in range(10))
    del model.answer
    answered = Counter[tuple[str, int]]()
    for _ in range(10):
        response = client.post("/predict", json=IRIS)
        answered[response.headers["x-model-variant"], response.status_code] += 1
    assert set(answered) == {("heuristic", 200), ("xgboost", 500)}
    found = by_variant(client)
    assert {name: each["refused"] for name, each in found.items()} == refused
    assert [found[name]["failed"] for name in ("heuristic", "xgboost")] == [0, answered["xgboost", 500]]
    assert sum(each["requests"] for each in found.values()) == 20


def test_a_key_meets_the_same_variant(connect: Connect) -> None:
    """By either interface the one that the key has, for rows and batches, in any spelling of the header."""
    serving = serve(split="heuristic=50,xgboost=30,decision_tree=20", sticky_header="X-User")
    client, deal = connect(serving), serving.generation.plan.traffic
    met = set()
    for key in ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"):
        expected = deal.split[Split(deal, Turns()).choose({cgi_name("X-User"): key}.get).at].name
        for header in ("X-User", "x-user"):
            for path, body in (("/predict", IRIS), ("/predict/batch", ROWS)):
                response = client.post(path, json=body, headers={header: key})
                assert response.headers["x-model-variant"] == expected
        met.add(expected)
    assert met == {"heuristic", "xgboost", "decision_tree"}
    report = traffic(client)
    assert report["sticky_header"] == "X-User"
    assert sum(each["keyless"] for each in report["variants"]) == 0


def test_requests_without_the_key_are_told_apart(connect: Connect) -> None:
    """Those without the header and those with an empty one; they go by turns."""
    client = connect(split="heuristic=50,xgboost=50", sticky_header="X-User")
    met = Counter[str]()
    for headers in ({}, {"X-User": ""}, {"X-Other": "alice"}) * 4:
        met[client.post("/predict", json=IRIS, headers=headers).headers["x-model-variant"]] += 1
    client.post("/predict", json=IRIS, headers={"X-User": "alice"})
    assert {name: each["keyless"] for name, each in by_variant(client).items()} == met
    found = metrics(client)
    for name, times in met.items():
        assert found[f'mps_split_keyless_total{{model="{name}",version="1",role="split"}}'] == times


def test_a_key_that_is_too_long_is_refused(connect: Connect) -> None:
    """In the header's name; nobody was chosen, so it is nobody's answer. Where nobody is, nobody looks."""
    client = connect(split="heuristic=50,xgboost=50", sticky_header="X-User")
    response = client.post("/predict", json=IRIS, headers={"X-User": "k" * 1025})
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"pointer": "X-User", "detail": "expected at most 1024 characters, came 1025"}
    ]
    assert "x-model-variant" not in response.headers
    assert response.headers["x-model-generation"] == "1"
    for path in ("/predict", "/models/xgboost/predict"):
        status = client.post(path, json=IRIS, headers={"X-User": "k" * 1024}).status_code
        assert status == 200
    assert (
        client.post("/models/xgboost/predict", json=IRIS, headers={"X-User": "k" * 1025}).status_code == 200
    )
    assert metrics(client)['mps_requests_total{model="",version="",endpoint="predict",status="4xx"}'] == 1


def test_whoever_names_a_model_gets_that_one(connect: Connect) -> None:
    """Such requests are no part of the split; without a split nobody is a variant."""
    client = connect(split="heuristic=50,xgboost=50")
    for name in ("heuristic", "xgboost@1", "decision_tree"):
        for path, body in (("predict", IRIS), ("predict/batch", ROWS)):
            response = client.post(f"/models/{name}/{path}", json=body)
            assert response.headers["x-model-name"] == name.partition("@")[0]
            assert "x-model-variant" not in response.headers
    assert [each["requests"] for each in traffic(client)["variants"]] == [0, 0]
    assert "x-model-variant" not in connect().post("/predict", json=IRIS).headers


def test_shadows_are_reported(connect: Connect, shadows: Shadows) -> None:
    """What they met, what they said otherwise, and what they were spared."""
    serving = shadowed(shadows, split="heuristic=100", shadow="xgboost,decision_tree")
    client = connect(serving)
    del serving.generation.ghosts[1].model.schema, serving.generation.ghosts[1].model.batch
    client.post("/predict", json=UNLIKE)
    client.post("/predict/batch", json=ROWS)
    until_met(shadows, 4)
    one, two = traffic(client)["shadows"]
    times = {one.pop("p50_at_most_ms"), one.pop("p99_at_most_ms")}
    assert times <= {bound * 1000 for bound in BUCKETS_S}
    counts = {"requests": 2, "rows": 4, "disagreed": 1, "disagreed_percent": 25.0, "failed": 0, "skipped": 0}
    assert one == {"model": "xgboost@1", **counts}
    assert (two["requests"], two["rows"], two["failed"], two["disagreed_percent"]) == (0, 0, 2, None)
    assert [each["requests"] for each in traffic(client)["variants"]] == [2]


def test_a_new_split_begins_with_nothing(connect: Connect, shadows: Shadows) -> None:
    """What was seen before is taken off in the report; the metrics go on."""
    serving = shadowed(shadows, split="xgboost=100", shadow="decision_tree")
    client = connect(serving)
    for _ in range(3):
        client.post("/predict", json=IRIS)
    until_met(shadows, 3)
    plan = serving.generation.plan
    counters = shadows._counters
    measured = [each.series for each in plan.traffic.split] + [each.series for each in plan.traffic.shadows]
    since = {series: tuple(counters.sums(series)) for series in measured}
    begun = msgspec.structs.replace(plan, traffic=msgspec.structs.replace(plan.traffic, since=since))
    serving.commit(serving.prepare(begun))
    client.post("/predict", json=IRIS)
    until_met(shadows, 4)
    report = traffic(client)
    assert [report["shadows"][0][name] for name in ("requests", "rows")] == [1, 1]
    assert [by_variant(client)["xgboost"][name] for name in ("requests", "rows", "seen_percent")] == [
        1,
        1,
        100,
    ]
    found = metrics(client)
    assert found['mps_rows_total{model="xgboost",version="1",role="split"}'] == 4
    assert found['mps_shadow_rows_total{model="decision_tree",version="1"}'] == 4


def test_every_answer_is_one_request_of_one_model(connect: Connect, shadows: Shadows) -> None:
    """Series of variants and those of named models add up to the answers; shadows have families of theirs."""
    client = connect(
        shadowed(shadows, split="heuristic=50,xgboost=50", shadow="xgboost", sticky_header="X-User")
    )
    answered = Counter[str]()
    for path, times in (("/predict", 11), ("/models/xgboost/predict", 5), ("/predict/batch", 7)):
        for _ in range(times):
            body = ROWS if "batch" in path else IRIS
            answered[client.post(path, json=body).headers["x-model-name"]] += 1
    until_met(shadows, 18)
    found, summed = metrics(client), Counter[str]()
    for sample, value in found.items():
        if model := re.match(r'mps_requests_total\{model="(\w+)"', sample):
            summed[model[1]] += int(value)
    assert summed == answered
    alone = 'mps_requests_total{model="xgboost",version="1",endpoint="predict",status="2xx"}'
    assert found[alone] == 5
    labels = 'model="xgboost",version="1",role="split"'
    split = [
        found[f'mps_requests_total{{{labels},endpoint="{end}",status="2xx"}}'] for end in ("predict", "batch")
    ]
    assert sum(split) == answered["xgboost"] - 5
    timed = [
        found[f'mps_request_duration_seconds_count{{{labels},endpoint="{end}"}}']
        for end in ("predict", "batch")
    ]
    assert timed == split
    shadow = 'mps_shadow_requests_total{model="xgboost",version="1"'
    copies = [found[f'{shadow},endpoint="{end}",status="2xx"}}'] for end in ("predict", "batch")]
    assert copies == [11, 7]
    for family in ("disagreed_rows", "skipped"):
        assert found[f'mps_shadow_{family}_total{{model="xgboost",version="1"}}'] == 0


def test_without_traffic_to_share_there_are_no_families_of_it(connect: Connect) -> None:
    """The metrics of a server with one model are what they were."""
    client = connect()
    client.post("/predict", json=IRIS)
    text = client.get("/metrics").text
    assert not re.search("split|shadow|role", text)


def test_what_was_decided_is_reported(connect: Connect) -> None:
    """Who was taken out and why, and how far a rollout has come."""
    at = "2026-01-01T00:00:00.000+00:00"
    rollout = Rollout("heuristic", "file", "heuristic@1", "xgboost@1", (1, 50, 100), 60, 1, at)
    for ended in ("", "aborted: too slow"):
        now = msgspec.structs.replace(rollout, ended=ended)
        past = Past((), (Aborted("xgboost@1", "too slow", at),), now)
        serving = Serving()
        resolved = resolve({"MPS_SPLIT": "heuristic=50,xgboost=50"}, None, {})
        serving.commit(serving.prepare(draw(resolved, 1, past)))
        report = traffic(connect(serving))
        assert report["aborted"] == [{"model": "xgboost@1", "reason": "too slow", "at": at}]
        assert report["rollout"] == {
            "champion": "heuristic",
            "champion_source": "file",
            "champion_model": "heuristic@1",
            "model": "xgboost@1",
            "steps": [1.0, 50.0, 100.0],
            "hold_s": 60.0,
            "step": 1,
            "since": at,
            "before": None,
            "ended": ended,
            "under_way": not ended,
        }
        assert [each["percent"] for each in report["variants"]] == [0.0, 100.0]


def test_any_header_may_be_the_sticky_one(connect: Connect) -> None:
    """Those of the body, too, which CGI names otherwise: the request has its key by either interface."""
    client = connect(split="heuristic=50,xgboost=50", sticky_header="Content-Type")
    for _ in range(10):
        assert client.post("/predict", json=IRIS).status_code == 200
    assert sorted(each["requests"] for each in by_variant(client).values()) == [0, 10]
    assert {each["keyless"] for each in by_variant(client).values()} == {0}
