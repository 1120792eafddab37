"""``POST /explain`` and ``POST /models/{name}/explain``, by both interfaces."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from server.explanation import desk
from server.explanation.desk import MAX_WAITING, Desk
from server.explanation.document import document
from server.explanation.explainer import Explainer
from server.generation import Serving
from server.model import Model
from server.plan import draw
from server.prediction import Ask
from server.settings import SHIPPED_REGISTRY, resolve
from tests.server.application import IRIS, Client, serve
from tests.server.homemade import classifier, shelve
from tests.server.stage import until

NAMES = ["decision_tree", "heuristic", "random_forest", "xgboost"]
CLASSES = ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_with_its_reasons(client: Client, name: str) -> None:
    """The prediction is the one that is served, told with model, version and generation; base and
    contributions are the sum of each class."""
    served = client.post(f"/models/{name}/predict?probabilities=true", json=IRIS)
    response = client.post(f"/models/{name}/explain", json=IRIS)
    assert response.status_code == 200
    told = response.json()
    assert {key: told[key] for key in ("prediction", "probabilities")} == served.json()
    assert (told["model"], told["version"], told["generation"]) == (name, 1, 1)
    for header in ("X-Model-Name", "X-Model-Version", "X-Model-Generation"):
        assert response.headers[header] == served.headers[header]
    assert [output["output"] for output in told["outputs"]] == CLASSES
    for output in told["outputs"]:
        assert list(output["contributions"]) == list(IRIS)
        total = output["base"] + sum(output["contributions"].values())
        assert total == pytest.approx(output["sum"], abs=1e-5 if name == "xgboost" else 1e-12)
    sums = [output["sum"] for output in told["outputs"]]
    if name == "xgboost":
        assert (told["explains"], told["link"]) == ("margin", "softmax")
        sums = (np.exp(sums) / np.exp(sums).sum()).tolist()
    else:
        assert (told["explains"], told["link"]) == ("probability", "identity")
    assert sums == pytest.approx(list(told["probabilities"].values()), abs=1e-6)


def test_the_champion_is_explained(client: Client) -> None:
    """``/explain`` without a name, with the way through its rules."""
    told = client.post("/explain", json={**IRIS, "petal_length": 4.9, "petal_width": 1.75}).json()
    assert told["model"] == "heuristic"
    assert [condition["text"] for condition in told["path"]] == [
        "petal_length 4.9 >= 2.45",
        "petal_width 1.75 >= 1.75",
    ]
    assert told["leaves"] == [
        {
            "tree": 0,
            "leaf": 2,
            "adds": {"versicolor": pytest.approx(1 / 46), "virginica": pytest.approx(45 / 46)},
        }
    ]


def test_of_many_trees_some_are_told(client: Client) -> None:
    """How many there are, the leaf of each of the first hundred, and no conditions."""
    told = client.post("/models/xgboost/explain", json=IRIS).json()
    assert "path" not in told
    assert (told["trees"], len(told["leaves"])) == (150, 100)
    first = told["leaves"][0]
    assert (first["tree"], list(first["adds"])) == (0, ["setosa"])


@pytest.mark.parametrize(
    ("path", "kept", "status", "slug"),
    [
        ("/explain", {"content": b"{"}, 400, "malformed-json"),
        ("/explain", {"json": {**IRIS, "petal_width": "wide"}}, 422, "invalid-values"),
        ("/explain", {"json": [IRIS]}, 422, "invalid-values"),
        ("/explain?probabilities=true", {"json": IRIS}, 422, "invalid-values"),
        ("/explain", {"content": b"a=1", "headers": {"Content-Type": "text/plain"}}, 415, "media-type"),
        ("/models/nobody/explain", {"json": IRIS}, 404, "unknown-model"),
        ("/explain", {"content": b" " * 3_000_000}, 413, "too-large"),
        ("/explain", {"json": IRIS, "headers": {"X-Request-Timeout-Ms": "soon"}}, 422, "invalid-values"),
    ],
)
def test_what_is_refused(client: Client, path: str, kept: dict[str, Any], status: int, slug: str) -> None:
    """As ``/predict`` refuses it, with the generation."""
    response = client.post(path, **kept)
    assert response.status_code == status
    assert response.json()["type"] == f"urn:mps:problem:{slug}"
    assert response.headers["x-model-generation"] == "1"


def test_a_failure_of_ours_is_told_as_nothing_but_that(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without a word of the inside."""
    monkeypatch.setattr(desk, "document", lambda *_: 1 / 0)
    response = client.post("/explain", json=IRIS)
    assert (response.status_code, "division" in response.text) == (500, False)


def test_a_model_without_an_explanation(connect: Callable[..., Client], tmp_path: Path) -> None:
    """409 that says why, again and again; it predicts as ever."""
    client = connect(fresh(registry=shelve(tmp_path, classifier("words")), model_type="words"))
    row = {"weight": 1.5, "count": 2, "colour": "red", "note": "x"}
    for _ in range(2):
        response = client.post("/explain", json=row)
        assert response.status_code == 409
        assert response.json()["type"] == "urn:mps:problem:not-explainable"
        assert response.json()["detail"].startswith("words@1 cannot be explained exactly: it reads text")
    assert client.post("/predict", json=row).status_code == 200


def fresh(**settings: Any) -> Serving:
    """Of models that were loaded for this test."""
    environ = {f"MPS_{name.upper()}": str(value) for name, value in settings.items()}
    serving = Serving()
    serving.commit(serving.prepare(draw(resolve(environ, None, {}), 1)))
    return serving


def test_the_entry_is_read_again_and_must_be_the_same(connect: Callable[..., Client], tmp_path: Path) -> None:
    """Nothing of the graph is kept before; an entry that changed is refused, and put back, explained. What is
    made once is not read again."""
    shutil.copytree(Path(SHIPPED_REGISTRY) / "heuristic", tmp_path / "heuristic")
    shutil.copytree(Path(SHIPPED_REGISTRY) / "decision_tree" / "1", tmp_path / "kept")
    client = connect(fresh(registry=tmp_path))
    home = tmp_path / "heuristic" / "1"
    home.rename(tmp_path / "away")
    assert client.post("/explain", json=IRIS).status_code == 409
    assert client.post("/explain", json=IRIS).json()["type"] == "urn:mps:problem:registry"
    (tmp_path / "away").rename(home)
    sums = home / "SHA256SUMS"
    manifest = home / "manifest.json"
    sound = sums.read_text(), manifest.read_bytes()
    manifest.write_bytes(sound[1] + b" ")
    assert "altered" in client.post("/explain", json=IRIS).json()["detail"]
    old, new = [hashlib.sha256(content).hexdigest() for content in (sound[1], sound[1] + b" ")]
    sums.write_text(sound[0].replace(old, new))
    assert (
        "changed in the registry after it was loaded" in client.post("/explain", json=IRIS).json()["detail"]
    )
    sums.write_text(sound[0])
    manifest.write_bytes(sound[1])
    assert client.post("/explain", json=IRIS).status_code == 200
    shutil.rmtree(home)
    assert client.post("/explain", json=IRIS).status_code == 200


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whoever has the turn keeps it until the block ends; the event tells that somebody has it."""
    taken, go = threading.Event(), threading.Event()
    whole = document

    def waiting(*given: Any) -> Any:
        taken.set()
        assert go.wait(20)
        return whole(*given)

    monkeypatch.setattr(desk, "document", waiting)
    try:
        yield taken
    finally:
        go.set()


def ask(timeout_ms: str | None = None) -> Ask:
    """For an explanation by the champion."""
    now = perf_counter_ns()
    body = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
    return Ask(None, None, "", body, timeout_ms, "id", now, now, lambda _: None)


def test_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one waits until its deadline and is told to try again; later it is answered. Predictions go
    on."""
    serving = serve()
    mine = Desk(serving)
    with ThreadPoolExecutor(1) as pool, held(monkeypatch) as taken:
        first = pool.submit(mine.explain, ask("20000"))
        assert taken.wait(10)
        late = mine.explain(ask("30"))
        assert late.status == 503
        assert dict(late.headers)["Retry-After"] == "1"
        assert dict(late.headers)["X-Model-Name"] == "heuristic"
        assert b"took until its deadline" in late.body
    assert first.result().status == 200
    assert mine.explain(ask()).status == 200


def test_only_a_few_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits with a thread that predictions lack; the next one is sent away at once, whatever its
    deadline."""
    mine = Desk(serve())
    with ThreadPoolExecutor(1 + MAX_WAITING) as pool, held(monkeypatch) as taken:
        waiting = [pool.submit(mine.explain, ask("20000")) for _ in range(1 + MAX_WAITING)]
        assert taken.wait(10)
        until(lambda: mine._places._value == 0)
        sent_away = mine.explain(ask("20000"))
        assert sent_away.status == 503
        assert b"3 explanations are waiting already" in sent_away.body
    assert [each.result().status for each in waiting] == [200] * (1 + MAX_WAITING)


def test_an_explanation_over_http_keeps_to_its_deadline(
    connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting counts without a header, and 503 says when to try again."""
    client = connect(serve(explain_timeout_ms=40))
    with ThreadPoolExecutor(1) as pool, held(monkeypatch) as taken:
        long = pool.submit(client.post, "/explain", json=IRIS, headers={"X-Request-Timeout-Ms": "20000"})
        assert taken.wait(10)
        refused = client.post("/explain", json=IRIS)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert client.post("/predict", json=IRIS).status_code == 200
    assert long.result().status_code == 200


def test_what_would_take_too_long_is_refused_up_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model that never can be in time it is said; of a deadline that is too short now, to allow more."""
    monkeypatch.setattr(Explainer, "work_ns", property(lambda _: 5e9))
    never = Desk(serve()).explain(ask())
    assert never.status == 409
    assert b"would take about 5000 ms, and explain_timeout_ms allows 2000" in never.body
    assert Desk(serve()).explain(ask("60000")).status == 409
    patient = Desk(serve(explain_timeout_ms=10_000))
    short = patient.explain(ask("1000"))
    assert short.status == 503
    assert b"allow more time" in short.body
    assert patient.explain(ask()).status == 200


def test_explainers_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second explanation reads nothing; a large body is refused as elsewhere."""
    serving = serve()
    mine = Desk(serving)
    assert mine.explain(ask()).status == 200
    model: Model = serving.generation.champion.model

    def never() -> bytes:
        raise AssertionError

    assert model.explainer(never) is model.explainer(never)
    settings = replace(serving.generation.plan.resolved.settings, registry="/nowhere")
    serving.generation.plan = replace(
        serving.generation.plan, resolved=replace(serving.generation.plan.resolved, settings=settings)
    )
    assert mine.explain(ask()).status == 200


def test_the_document_describes_it(client: Client) -> None:
    """Both paths, with the features, an example that is answered, and an answer of the shape that it
    promises."""
    document = client.get("/openapi.json").json()
    for path in ("/explain", "/models/xgboost/explain"):
        operation = document["paths"][path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        told = client.post(path, json=example).json()
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[
            2
        ]
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) <= told.keys() <= schema["properties"].keys()
        assert [parameter["in"] for parameter in operation["parameters"]] == ["header", "header"]
