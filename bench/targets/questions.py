"""What the targets are asked, and what is right. Nothing is timed before it has been answered right."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence

from bench.errors import LoadFailed
from bench.load.spec import Exchange
from bench.targets.child import HOST
from bench.targets.flowers import read_flowers
from bench.targets.target import BATCH_PATH, SINGLE_PATH, Target

ANSWER_S = 30.0


def singles(target: Target, labels: Sequence[str]) -> tuple[Exchange, ...]:
    """One exchange for each of the 150 rows, with this target's own bytes.

    Args:
        target: running.
        labels: what the trainer itself says of each row.

    Raises:
        LoadFailed: an answer says something else, or does not come.
    """
    flowers = read_flowers()
    bodies = [json.dumps(dict(zip(flowers.features, row, strict=True))).encode() for row in flowers.rows]
    right = [labels[0] if target.constant else label for label in labels]
    connection = http.client.HTTPConnection(HOST, target.port, timeout=ANSWER_S)
    return tuple(
        Exchange(SINGLE_PATH, body, _asked(connection, target, SINGLE_PATH, body, {"prediction": label}))
        for body, label in zip(bodies, right, strict=True)
    )


def batch(target: Target, labels: Sequence[str], rows: int) -> tuple[Exchange, ...]:
    """One exchange of so many rows: the data over and over, with this target's own bytes.

    Raises:
        LoadFailed: an answer says something else, or does not come.
    """
    flowers = read_flowers()
    numbers = [number % len(labels) for number in range(rows)]
    body = json.dumps({"instances": [flowers.rows[number] for number in numbers]}).encode()
    right = {"predictions": [labels[number] for number in numbers]}
    connection = http.client.HTTPConnection(HOST, target.port, timeout=ANSWER_S)
    return (Exchange(BATCH_PATH, body, _asked(connection, target, BATCH_PATH, body, right)),)


def _asked(
    connection: http.client.HTTPConnection, target: Target, path: str, body: bytes, right: object
) -> bytes:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{target.name}: no answer: {error}") from None
    finally:
        connection.close()
    try:
        said = json.loads(answer)
    except ValueError:
        said = None
    if response.status != http.client.OK or said != right:
        raise LoadFailed(
            f"{target.name}: status {response.status}: {answer[:120].decode('utf-8', 'replace')}"
        )
    return answer
