"""``X-Request-Timeout-Ms``, ``X-Request-Id`` and ``Retry-After``, by both interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns

import msgspec
import pytest

from server.cost import Cost
from server.generation import Serving
from tests.server.application import IRIS, Client, serve

BATCH = {"instances": [list(IRIS.values())] * 200}
SHORT = {"X-Request-Timeout-Ms": "50"}


def slow(serving: Serving, row_ns: float = 0, byte_ns: float = 1e-6) -> Serving:
    """Its champion, as if that had been measured to take so long."""
    model = serving.generation.champion.model
    model.cost = Cost(row_ns, byte_ns, model.cost.slice_rows)
    return serving


@contextmanager
def busy(serving: Serving, work_ns: int) -> Iterator[None]:
    """Somebody has the turn."""
    with serving.line.turn(work_ns, perf_counter_ns() + 2 * work_ns):
        yield


def test_a_deadline_that_can_be_kept_changes_nothing(client: Client) -> None:
    """The answer is the usual one."""
    for path, body in (("/predict", IRIS), ("/predict/batch", BATCH)):
        response = client.post(path, json=body, headers={"X-Request-Timeout-Ms": "60000"})
        assert response.status_code == 200
        assert response.content == client.post(path, json=body).content


LONG = "00000001" + "9" * 5000


@pytest.mark.parametrize("header", ["0", "-5", "1.5", "soon", "", "3600001", "1e3", "0000000199", LONG])
def test_a_deadline_that_is_none_is_refused(client: Client, header: str) -> None:
    """With what was expected and what came."""
    response = client.post("/predict", json=IRIS, headers={"X-Request-Timeout-Ms": header})
    assert response.status_code == 422
    (fault,) = response.json()["errors"]
    assert fault["pointer"] == "X-Request-Timeout-Ms"
    assert "milliseconds from 1 to 3600000" in fault["detail"]


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_heavy_work_that_comes_too_late_is_refused(connect: Callable[..., Client], path: str) -> None:
    """503 with the time after which it may be tried again, and the model's headers; later it is answered."""
    serving = slow(serve(), row_ns=5e6, byte_ns=5e6)
    client, body = connect(serving), IRIS if path == "/predict" else BATCH
    with busy(serving, 3_000_000_000):
        response = client.post(path, json=body, headers=SHORT)
    assert response.status_code == 503
    assert 2 <= int(response.headers["retry-after"]) <= 3
    assert response.headers["x-model-name"] == "heuristic"
    assert "ms of work come first" in response.json()["detail"]
    slow(serving, row_ns=5e6, byte_ns=5e2)
    assert client.post(path, json=body).status_code == 200


def test_without_a_header_the_setting_counts(connect: Callable[..., Client]) -> None:
    """``MPS_REQUEST_TIMEOUT_MS``."""
    serving = slow(serve(request_timeout_ms=50), byte_ns=5e2)
    client = connect(serving)
    with busy(serving, 3_000_000_000):
        assert client.post("/predict/batch", json=BATCH).status_code == 503
        assert client.post("/predict", json=IRIS).status_code == 200
    assert client.post("/predict/batch", json=BATCH).status_code == 200


def test_light_work_is_refused_only_when_its_time_is_over(connect: Callable[..., Client]) -> None:
    """A single row waits for nobody, but what takes longer than there is time for is not begun."""
    client = connect(slow(serve(), row_ns=990_000))
    refused = client.post("/predict", json=IRIS, headers={"X-Request-Timeout-Ms": "1"})
    assert refused.status_code == 503  # 10 microseconds for everything around it are not enough
    assert "before the work begins" in refused.json()["detail"]
    client = connect(slow(serve(), row_ns=1_000))
    assert client.post("/predict", json=IRIS, headers={"X-Request-Timeout-Ms": "5000"}).status_code == 200


def test_every_answer_carries_the_request_id(client: Client) -> None:
    """The caller's own or a new one; right answers, refusals, and paths that do not exist."""
    own = {"X-Request-Id": "trace-7"}
    for method, path, body in (
        ("POST", "/predict", msgspec.json.encode(IRIS)),
        ("POST", "/predict", b"{"),
        ("POST", "/models/nobody/predict", b"{}"),
        ("GET", "/health", b""),
        ("GET", "/nowhere", b""),
        ("GET", "/predict", b""),
    ):
        assert client.request(method, path, content=body, headers=own).headers["x-request-id"] == "trace-7"
        new = [client.request(method, path, content=body).headers["x-request-id"] for _ in range(2)]
        assert new[0] != new[1]
        bad = client.request(method, path, content=body, headers={"X-Request-Id": "a b"})
        assert bad.headers.get_list("x-request-id") != ["a b"]
