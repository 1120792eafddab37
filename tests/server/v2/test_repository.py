"""Which models are loaded: the repository's endpoints, and what is decided for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.errors import ReloadRefused
from server.plan import Plan, draw
from server.settings import resolve
from server.switching import decisions
from server.switching.state import Remembered
from tests.server.application import TOKEN, Client
from tests.server.homemade import classifier, shelve
from tests.server.v2.asking import refused

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
INDEX = "/v2/repository/index"


def plan(**settings: Any) -> Plan:
    """What a server with these settings has committed."""
    return draw(resolve({f"MPS_{name.upper()}": value for name, value in settings.items()}, None, {}), 1)


def test_the_index_tells_what_is_loaded_and_what_could_be(connect: Callable[..., Client]) -> None:
    """With and without a body; ``ready`` leaves out what is not loaded."""
    client = connect(admin_token=TOKEN, models="xgboost")
    everything = client.post(INDEX, headers=ADMIN)
    assert everything.status_code == 200
    assert everything.headers["content-type"] == "application/json"
    found = {each["name"]: (each["version"], each["state"], each["reason"]) for each in everything.json()}
    assert found == {
        "heuristic": ("1", "READY", ""),
        "xgboost": ("1", "READY", ""),
        "decision_tree": ("1", "UNAVAILABLE", ""),
        "random_forest": ("1", "UNAVAILABLE", ""),
    }
    ready = client.post(INDEX, json={"ready": True}, headers=ADMIN).json()
    assert [each["name"] for each in ready] == ["heuristic", "xgboost"]
    assert client.post(INDEX, json={"ready": False}, headers=ADMIN).json() == everything.json()


def test_a_model_that_was_never_promoted_says_so(connect: Callable[..., Client], tmp_path: Path) -> None:
    """It is in the index with the reason why it cannot be loaded by its name."""
    registry = shelve(tmp_path, classifier("words"), classifier("idle"))
    (tmp_path / "idle" / "current").unlink()
    client = connect(admin_token=TOKEN, registry=registry, model_type="words")
    (idle,) = [each for each in client.post(INDEX, headers=ADMIN).json() if each["name"] == "idle"]
    assert idle["state"] == "UNAVAILABLE"
    assert idle["reason"]


@pytest.mark.parametrize("path", ["index", "models/xgboost/load", "models/xgboost/unload"])
def test_the_repository_is_for_holders_of_the_token(connect: Callable[..., Client], path: str) -> None:
    """Anybody else is refused, in the protocol's shape."""
    client = connect(admin_token=TOKEN)
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        refused(client.post(f"/v2/repository/{path}", headers=headers), "Authorization: Bearer", status=401)
    refused(connect().post(f"/v2/repository/{path}", headers=ADMIN), "MPS_ADMIN_TOKEN", status=403)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("index", b"[]", "an object or nothing"),
        ("index", b"{", "JSON or nothing"),
        ("index", b"\xff", "JSON or nothing"),
        ("models/xgboost/load", b"7", "an object or nothing"),
        ("models/xgboost/load", b'{"parameters":{"config":"{}"}}', "takes no parameters"),
        ("models/xgboost/load", b'{"parameters":{"file:1/model.onnx":"AAAA"}}', "takes no parameters"),
        ("models/xgboost/unload", b"{", "JSON or nothing"),
    ],
)
def test_what_the_repository_does_not_take(client: Client, path: str, body: bytes, words: str) -> None:
    """No model comes in by a request, and nothing is guessed."""
    refused(client.post(f"/v2/repository/{path}", content=body, headers=ADMIN), words)


@pytest.mark.parametrize("tail", ["load", "unload"])
def test_nothing_is_loaded_behind_the_back_of_the_others(client: Client, tail: str) -> None:
    """It goes through the supervisor, which switches all workers; without one it is refused."""
    response = client.post(f"/v2/repository/models/xgboost/{tail}", headers=ADMIN)
    refused(response, "the supervisor", status=503)
    assert client.get("/v2/models/xgboost/ready").status_code == 200


def test_a_load_adds_to_what_is_loaded() -> None:
    """What was not listed is set down with the new one; what is there is only read again."""
    now = Remembered(3, {"log_level": "DEBUG"})
    after = decisions.loaded(now, "xgboost", plan(models="random_forest"))
    assert after.override == {"log_level": "DEBUG", "models": ["random_forest", "xgboost"]}
    everything = plan()
    assert decisions.loaded(now, "xgboost", everything) is now
    assert decisions.loaded(now, "xgboost@1", everything) is now


@pytest.mark.parametrize("name", ["xgboost", "xgboost@1"])
def test_an_unload_takes_it_away_by_either_name(name: str) -> None:
    """What was not listed is set down without it."""
    after = decisions.unloaded(Remembered(), name, plan())
    assert after.override == {"models": ["decision_tree", "heuristic", "random_forest"]}
    listed = plan(models="xgboost,xgboost@1,random_forest")
    assert decisions.unloaded(Remembered(), name, listed).override == {"models": ["random_forest"]}


@pytest.mark.parametrize(
    ("settings", "name", "words"),
    [
        ({}, "heuristic", "/predict answers with it"),
        ({"split": "heuristic=50,xgboost=50"}, "xgboost", "/predict answers with it"),
        ({"shadow": "xgboost"}, "xgboost", "shadows who does"),
        ({"models": "xgboost"}, "random_forest", "is not loaded"),
        ({}, "x" * 500, "is not loaded"),
    ],
)
def test_who_answers_predict_stays(settings: dict[str, str], name: str, words: str) -> None:
    """So does whoever shares its traffic; what is not there cannot go."""
    with pytest.raises(ReloadRefused, match=words) as refusal:
        decisions.unloaded(Remembered(), name, plan(**settings))
    assert len(str(refusal.value)) < 200
