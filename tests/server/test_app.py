"""What the application answers beside predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.app import create_app
from server.counters import Counters
from server.generation import Serving
from tests.server.application import IRIS, TOKEN, Client, serve

JSON = {"Content-Type": "application/json"}
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


def test_health_says_who_serves(client: Client) -> None:
    """Status, model, version and generation."""
    expected = {"status": "ok", "model": "heuristic", "version": 1, "generation": 1}
    for path in ("/health", "/health/ready"):
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, expected)
    assert client.get("/health/live").json() == {"status": "ok"}


def test_a_worker_without_its_supervisor_is_not_ready(connect: Callable[..., Client]) -> None:
    """No switch would reach it, so it says so; it is alive and answers all the same."""
    serving = serve()
    client = connect(serving)
    serving.attached = False
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health").json()["status"] == "not ready"
    assert client.get("/health/live").status_code == 200
    assert client.post("/predict", json=IRIS).status_code == 200


def test_nothing_is_ready_before_the_first_commit() -> None:
    """An empty set of models is not a ready one."""
    serving = Serving()
    serving.attached = True
    assert not serving.ready


def test_models_are_listed_once_with_their_features(client: Client) -> None:
    """Each loaded model, and which one serves ``/predict``."""
    rows = client.get("/models").json()["models"]
    assert [row["name"] for row in rows] == ["decision_tree", "heuristic", "random_forest", "xgboost"]
    assert [row["name"] for row in rows if row["serves_predict"]] == ["heuristic"]
    assert all(row["features"] == list(IRIS) and row["budget_ms"] == 10.0 for row in rows)


def test_one_model_in_human_terms(client: Client) -> None:
    """Features with units and ranges, proof, metrics, versions."""
    model = client.get("/models/random_forest").json()
    assert model["features"][0]["unit"] == "cm"
    assert model["metrics"][0]["method"]
    assert sum(kind["label_mismatches"] for kind in model["parity"]["kinds"]) == 0
    assert "scikit-learn" in model["versions"]
    assert client.get("/models/nope").status_code == 404


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN}x"]
)
def test_admin_needs_the_token(client: Client, header: str | None) -> None:
    """Anything but the token is 401, on every admin path."""
    headers = {"Authorization": header} if header else {}
    for method, path in (
        ("GET", "/config"),
        ("POST", "/config/reload"),
        ("POST", "/traffic/rollout"),
        ("DELETE", "/traffic/rollout"),
    ):
        response = client.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in response.text


def test_admin_is_closed_without_a_token_set(connect: Callable[..., Client]) -> None:
    """403, which says how to open it; no header helps."""
    response = connect().get("/config", headers={"Authorization": "Bearer None"})
    assert response.status_code == 403
    assert "MPS_ADMIN_TOKEN" in response.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/config/",
        "//config",
        "/config/reload/",
        "/Config",
        "/config;x",
        "/%63onfig",
        "/traffic/rollout/",
        "/traffic//rollout",
    ],
)
def test_no_other_spelling_gets_past_the_guard(client: Client, path: str) -> None:
    """A path by another spelling is guarded or unknown, never open."""
    for method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
        response = client.request(method, f"http://testserver.local{path}")
        assert response.status_code in (401, 404, 405)


PROTOCOL = ("", "/ready", "/config", "/stats", "/infer")
"""What the Open Inference Protocol asks of a model."""


def test_every_route_is_open_on_purpose_or_guarded(client: Client, counters: Counters) -> None:
    """A new route cannot forget the guard: what answers without a token is listed here."""
    open_on_purpose = {"/", "/docs", "/openapi.json", "/metrics", "/health", "/health/live", "/health/ready"}
    open_on_purpose |= {"/models", "/models/{name:str}", "/predict", "/predict/batch", "/traffic"}
    open_on_purpose |= {"/models/{name:str}/predict", "/models/{name:str}/predict/batch"}
    open_on_purpose |= {"/explain", "/models/{name:str}/explain"}
    model, version = "/v2/models/{name:str}", "/v2/models/{name:str}/versions/{version:str}"
    open_on_purpose |= {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats"}
    open_on_purpose |= {f"{prefix}{rest}" for prefix in (model, version) for rest in PROTOCOL}
    app = create_app(serve(), counters, "nobody")
    for path in {route.path for route in app.routes} - open_on_purpose:
        for method in ("GET", "POST", "DELETE"):
            assert client.request(method, path).status_code in (401, 405), path


def test_config_tells_each_value_and_its_source(client: Client) -> None:
    """Effective settings; the token is not among what is told."""
    answer = client.get("/config", headers=ADMIN).json()
    assert answer["settings"]["model_type"] == {"value": "heuristic", "source": "default"}
    assert answer["settings"]["admin_token"] == {"value": "(set)", "source": "environment"}
    assert answer["generation"] == 1
    assert TOKEN not in str(answer)


@pytest.mark.parametrize(
    ("content", "query", "status"),
    [(b"{", "", 400), (b"[1]", "", 422), (b"\xff", "", 400), (b"", "?allow=true", 422)],
)
def test_a_reload_that_is_no_request(client: Client, content: bytes, query: str, status: int) -> None:
    """What is not understood is refused before anybody is asked."""
    assert client.post(f"/config/reload{query}", content=content, headers=ADMIN).status_code == status


def test_a_reload_with_an_enormous_body(connect: Callable[..., Client]) -> None:
    """The cap holds for admin requests as well, and so does the media type."""
    client = connect(admin_token=TOKEN, max_body_bytes=1024)
    assert client.post("/config/reload", content=b" " * 2000, headers={**ADMIN, **JSON}).status_code == 413
    plain = {**ADMIN, "Content-Type": "text/plain"}
    assert client.post("/config/reload", content=b"{}", headers=plain).status_code == 415


@pytest.mark.parametrize("query", ["", "?allow_signature_change=true", "?allow_signature_change=false"])
def test_a_reload_without_a_supervisor(client: Client, query: str) -> None:
    """503 and Retry-After: nothing changed, and nothing hangs."""
    response = client.post(f"/config/reload{query}", content=b"{}", headers=ADMIN)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


def test_metrics_add_up(client: Client) -> None:
    """What was sent is what is counted, by model, endpoint and status."""
    for _ in range(3):
        client.post("/predict", json=IRIS)
    client.post("/predict", json={})
    client.post("/models/xgboost/predict/batch", json={"instances": [list(IRIS.values())] * 5})
    client.post("/models/nope/predict", json=IRIS)
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'mps_requests_total{model="heuristic",version="1",endpoint="predict",status="2xx"} 3',
        'mps_requests_total{model="heuristic",version="1",endpoint="predict",status="4xx"} 1',
        'mps_requests_total{model="xgboost",version="1",endpoint="batch",status="2xx"} 1',
        'mps_requests_total{model="",version="",endpoint="predict",status="4xx"} 1',
        'mps_rows_total{model="heuristic",version="1"} 3',
        'mps_rows_total{model="xgboost",version="1"} 5',
        'mps_request_duration_seconds_count{model="heuristic",version="1",endpoint="predict"} 4',
        "mps_generation 1",
    ):
        assert line in lines


def test_the_document_covers_every_route(client: Client, counters: Counters) -> None:
    """OpenAPI describes what the application answers, no more and no less."""
    app = create_app(serve(), counters, "nobody")
    document = client.get("/openapi.json").json()
    described = set(document["paths"])
    routes = {route.path.replace(":str", "") for route in app.routes} - {"/"}
    for path in routes:
        expected = {path.replace("{name}", "xgboost")} if asks_a_model(path) else {path}
        assert expected <= described, path
    named = {path for path in described if path.startswith("/models/") and asks_a_model(path)}
    assert described - routes == named
    methods = {route.path.replace(":str", ""): route.methods for route in app.routes}
    for path in described - named:
        expected = {method.lower() for method in methods[path]} - {"options"}
        assert set(document["paths"][path]) == expected, path


def asks_a_model(path: str) -> bool:
    """The document has such a path once for each model."""
    return "predict" in path or "explain" in path


def test_the_document_shows_this_models_features(client: Client) -> None:
    """Features with unit, range and description, and an example that is answered."""
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    schema = resolve(document, operation["schema"])
    assert list(schema["properties"]) == schema["required"] == list(IRIS)
    assert schema["additionalProperties"] is False
    sepal = schema["properties"]["sepal_length"]
    assert (sepal["type"], sepal["minimum"], sepal["maximum"], sepal["unit"]) == ("number", 0.0, 30.0, "cm")
    assert client.post("/predict", json=operation["example"]).json() == {"prediction": "setosa"}
    batch = document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post("/predict/batch", json=batch["example"]).json() == {"predictions": ["setosa"]}


def test_every_reference_of_the_document_resolves(client: Client) -> None:
    """No dangling ``$ref``."""
    document = client.get("/openapi.json").json()
    found = 0

    def walk(node: Any) -> None:
        nonlocal found
        if isinstance(node, dict):
            if "$ref" in node:
                found += 1
                assert resolve(document, node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document)
    assert found > 8


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a reference points to."""
    target: Any = document
    for key in node["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    assert isinstance(target, dict)
    return target


def test_the_root_leads_to_the_docs(client: Client) -> None:
    """A browser that opens the address sees something."""
    response = client.get("/")
    assert response.url.path == "/docs"
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in response.headers["content-security-policy"]


def test_an_unexpected_error_tells_nothing(connect: Callable[..., Client]) -> None:
    """A fault of ours is a plain 500 problem; the log has the rest."""
    serving = serve()
    client = connect(serving)
    del serving.generation.champion.model.schema
    response = client.post("/predict", json=IRIS)
    assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
    assert "schema" not in response.text
