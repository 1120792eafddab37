"""What one caller sees: a row at a time, on one connection, each sent when the last is answered."""

from __future__ import annotations

import http.client
import json
import time

import msgspec

from bench.answers import header_fault, single_fault
from bench.errors import LoadFailed
from bench.process import ServerProcess
from bench.samples import percentile

WARM_UP_REQUESTS = 200
JSON_TYPE = {"Content-Type": "application/json"}


class Latency(msgspec.Struct, frozen=True):
    """Of single-row answers over HTTP, in milliseconds."""

    requests: int
    p50_ms: float
    p99_ms: float


def served_latency(server: ServerProcess, model: str, requests: int) -> Latency:
    """Time ``requests`` requests after a warm-up.

    Raises:
        LoadFailed: an answer is wrong, or does not come.
    """
    connection = server.connect()
    try:
        return _measured(connection, model, requests)
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{model}: no answer: {error}") from None
    finally:
        connection.close()


def _measured(connection: http.client.HTTPConnection, model: str, requests: int) -> Latency:
    status, about, _ = _exchange(connection, "GET", f"/models/{model}", None)
    if status != http.client.OK:
        raise LoadFailed(f"{model}: status {status}")
    described = json.loads(about)
    body = json.dumps(described["example"]).encode()
    taken_ms = []
    for _ in range(WARM_UP_REQUESTS + requests):
        started = time.perf_counter()
        status, answer, headers = _exchange(connection, "POST", f"/models/{model}/predict", body)
        taken_ms.append((time.perf_counter() - started) * 1000)
        fault = single_fault(status, answer, described["classes"]) or header_fault(headers)
        if fault:
            raise LoadFailed(f"{model}: {fault}")
    measured = taken_ms[WARM_UP_REQUESTS:]
    return Latency(requests, round(percentile(measured, 50), 3), round(percentile(measured, 99), 3))


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection.request(method, path, body, JSON_TYPE)
    response = connection.getresponse()
    return response.status, response.read(), response.headers
