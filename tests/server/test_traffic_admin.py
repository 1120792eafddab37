"""``/traffic/rollout``: who may decide, and what is not understood."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.server.application import TOKEN, Client

Connect = Callable[..., Client]
ADMIN = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
ROLLOUT = {"model": "xgboost", "steps": [1, 10, 50, 100], "hold_s": 60}
ROLLOUTS = [("POST", msgspec.json.encode(ROLLOUT)), ("DELETE", b"")]


@pytest.mark.parametrize(("method", "content"), ROLLOUTS)
def test_deciding_needs_the_token(connect: Connect, method: str, content: bytes) -> None:
    """401 without it or with another, 403 where none is set; seeing needs none."""
    client, closed = connect(admin_token=TOKEN), connect()
    for authorization in (None, "Bearer wrong", TOKEN):
        headers = {"Authorization": authorization} if authorization else {}
        response = client.request(method, "/traffic/rollout", content=content, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
    response = closed.request(method, "/traffic/rollout", content=content, headers=ADMIN)
    assert response.status_code == 403
    assert "MPS_ADMIN_TOKEN" in response.json()["detail"]
    assert client.get("/traffic").status_code == 200


@pytest.mark.parametrize(("method", "content"), ROLLOUTS)
def test_a_decision_without_a_supervisor(client: Client, method: str, content: bytes) -> None:
    """503 and Retry-After: nothing changed, and nothing hangs. The request itself was sound."""
    response = client.request(method, "/traffic/rollout", content=content, headers=ADMIN)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"model":"\xff"}'])
def test_a_rollout_that_is_not_json(client: Client, content: bytes) -> None:
    """400: it is not understood at all."""
    assert client.post("/traffic/rollout", content=content, headers=ADMIN).status_code == 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": 3}, "Expected `str`, got `int` - at `$.model`"),
        ({"steps": 100}, "Expected `array`, got `int` - at `$.steps`"),
        ({"steps": ["1", 100]}, "Expected `float`, got `str` - at `$.steps[0]`"),
        ({"hold_s": "60"}, "Expected `float`, got `str` - at `$.hold_s`"),
        ({"hold_s": None}, "Expected `float`, got `null` - at `$.hold_s`"),
        ({"percent": 10}, "Object contains unknown field `percent`"),
    ],
)
def test_a_rollout_with_wrong_fields(client: Client, change: dict[str, object], words: str) -> None:
    """422 with what was expected and an example; a field that is not there, one too many, another type."""
    response = client.post("/traffic/rollout", json={**ROLLOUT, **change}, headers=ADMIN)
    assert response.status_code == 422
    (fault,) = response.json()["errors"]
    assert fault["detail"].startswith(words)
    assert '{"model":"xgboost","steps":[1,10,50,100],"hold_s":60}' in fault["detail"]


@pytest.mark.parametrize("field", ROLLOUT)
def test_a_rollout_without_one_field(client: Client, field: str) -> None:
    """Nothing of it has a default."""
    body = {name: value for name, value in ROLLOUT.items() if name != field}
    response = client.post("/traffic/rollout", json=body, headers=ADMIN)
    assert response.status_code == 422
    assert f"missing required field `{field}`" in response.json()["detail"]


def test_a_rollout_of_another_kind_or_size(connect: Connect) -> None:
    """415 for what is declared to be no JSON, 413 for what is too large; the token comes first."""
    client = connect(admin_token=TOKEN, max_body_bytes=1024)
    content = msgspec.json.encode(ROLLOUT)
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {**ADMIN, "Content-Type": kind}
        assert client.post("/traffic/rollout", content=content, headers=headers).status_code == 415
        assert (
            client.post("/traffic/rollout", content=content, headers={"Content-Type": kind}).status_code
            == 401
        )
    assert client.post("/traffic/rollout", content=content + b" " * 1024, headers=ADMIN).status_code == 413


def test_the_document_describes_traffic(client: Client) -> None:
    """Deciding needs the token; the example of a rollout is one; answers have the header of the variant."""
    paths = client.get("/openapi.json").json()["paths"]
    assert "security" not in paths["/traffic"]["get"]
    rollout = paths["/traffic/rollout"]
    assert set(rollout) == {"post", "delete"}
    assert all(rollout[method]["security"] for method in rollout)
    example = rollout["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/traffic/rollout", json=example, headers=ADMIN).status_code == 503
    assert "X-Model-Variant" in paths["/predict"]["post"]["responses"]["200"]["headers"]
