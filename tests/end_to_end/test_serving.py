"""A real server on a free port: what a new user does first."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.process import ServerProcess
from registry.store import Store
from server.session import within
from server.settings import SHIPPED_REGISTRY

EXAMPLE = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
JSON = {"Content-Type": "application/json"}


def call(
    server: ServerProcess, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    connection = server.connect()
    try:
        connection.request(
            method, path, body, {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )
        response = connection.getresponse()
        got = {name.lower(): value for name, value in response.getheaders()}
        return response.status, got, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Two workers with everything at its default."""
    with ServerProcess(workers=2) as running:
        yield running


def test_the_readme_request(server: ServerProcess) -> None:
    """The README's curl gets the README's answer, with the three headers."""
    status, headers, body = call(server, "POST", "/predict", EXAMPLE)
    assert (status, body) == (200, b'{"prediction":"setosa"}')
    found = [headers[f"x-model-{name}"] for name in ("name", "version", "generation")]
    assert found == ["heuristic", "1", "1"]


@pytest.mark.parametrize("name", ["heuristic", "decision_tree", "random_forest", "xgboost"])
def test_every_shipped_model_over_the_wire(server: ServerProcess, name: str) -> None:
    """Golden rows through a real server: the training library's labels, within the stated bound."""
    entry = Store(Path(SHIPPED_REGISTRY)).read(name, 1)
    golden = entry.golden
    body = json.dumps({"instances": golden.inputs}).encode()
    status, headers, text = call(server, "POST", f"/models/{name}/predict/batch?probabilities=true", body)
    answer = json.loads(text)
    assert status == 200
    assert headers["x-model-name"] == name
    assert answer["predictions"] == list(golden.labels)
    bound = entry.manifest.parity.bound
    assert within(np.array(answer["probabilities"]), np.array(golden.probabilities), bound).all()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (EXAMPLE.replace(b"5.1", b"NaN"), 422),
        (EXAMPLE.replace(b"5.1", b"1e999"), 422),
        (EXAMPLE.replace(b"5.1", b"-1"), 422),
        (b" " * (3 << 20), 413),
    ],
)
def test_bad_bodies_leave_the_workers_alone(server: ServerProcess, body: bytes, status: int) -> None:
    """A problem for the caller, and the same processes answer on."""
    before = workers_of(server)
    found, headers, _ = call(server, "POST", "/predict", body)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert call(server, "POST", "/predict", EXAMPLE)[0] == 200
    assert workers_of(server) == before


def test_a_large_bad_body_holds_nobody_up(server: ServerProcess) -> None:
    """Sixty thousand mistakes are refused about as fast as sixty: the first twenty are told."""
    strangers = json.dumps({f"x{number}": 1 for number in range(60_000)}).encode()
    status, _, body = call(server, "POST", "/predict", strangers)
    assert status == 422
    assert len(json.loads(body)["errors"]) == 1
    rows = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 9_999 + [[99, 3.5, 1.4, 0.2]]}).encode()
    status, _, body = call(server, "POST", "/predict/batch", rows)
    assert status == 422
    assert json.loads(body)["errors"][0]["pointer"] == "/instances/9999/0"


def test_too_many_large_batches_are_turned_away(server: ServerProcess) -> None:
    """503 and Retry-After for what a worker cannot take on; what it took on is answered."""
    rows = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 10_000}).encode()

    def post(_: int) -> tuple[int, str | None]:
        status, headers, _body = call(server, "POST", "/models/random_forest/predict/batch", rows)
        return status, headers.get("retry-after")

    with ThreadPoolExecutor(64) as crowd:
        found = set(crowd.map(post, range(128)))
    assert {status for status, _ in found} == {200, 503}
    assert all((status == 200) if wait is None else 1 <= int(wait) <= 5 for status, wait in found)
    assert call(server, "POST", "/predict", EXAMPLE)[0] == 200


def test_clients_that_send_slowly_hold_up_nobody(server: ServerProcess) -> None:
    """Bodies of which only a part has come: each waits by itself, and is answered when the rest is there."""
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(EXAMPLE)}\r\n\r\n".encode()
    slow = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(12)]
    for connection in slow:
        connection.sendall(head + EXAMPLE[:9])
    for _ in range(20):
        assert call(server, "POST", "/predict", EXAMPLE)[0] == 200
    for connection in slow:
        connection.sendall(EXAMPLE[9:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        connection.close()


def test_the_plain_application_serves_alike() -> None:
    """``MPS_INTERFACE=asgi``: the same bytes, with the same headers but for the request's id and the date."""
    batch = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 3000}).encode()
    asked: list[tuple[str, str, bytes | None]] = [
        ("POST", "/predict", EXAMPLE),
        ("POST", "/predict?probabilities=true", EXAMPLE),
        ("POST", "/models/xgboost/predict/batch", batch),
        ("POST", "/predict", b"{"),
        ("POST", "/models/none/predict", EXAMPLE),
        ("GET", "/health", None),
        ("GET", "/nowhere", None),
    ]
    with ServerProcess(interface="asgi") as asgi, ServerProcess() as wsgi:
        for request in asked:
            answers = [call(server, *request, X_Request_Id="the-same") for server in (asgi, wsgi)]
            for _, headers, _ in answers:
                headers.pop("date")
            assert answers[0] == answers[1], request


def test_the_environment_is_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """CGI hands headers on as variables, and so does what calls us; those of the process itself are none."""
    for name, value in (("X_REQUEST_ID", "nobody's"), ("X_REQUEST_TIMEOUT_MS", "never"), ("X_USER", "7")):
        monkeypatch.setenv(f"HTTP_{name}", value)
    monkeypatch.setenv("CONTENT_TYPE", "text/plain")
    with ServerProcess(
        split="heuristic=50,xgboost=50", sticky_header="X-User", model_type="heuristic"
    ) as server:
        connection = server.connect()
        answers = []
        for _ in range(40):
            connection.request("POST", "/predict", EXAMPLE)
            response = connection.getresponse()
            answers.append(
                (response.status, response.headers["X-Model-Name"], response.headers["X-Request-Id"])
            )
            response.read()
        connection.close()
    assert {status for status, _, _ in answers} == {200}
    assert len({model for _, model, _ in answers}) == 2
    assert len({name for _, _, name in answers}) == len(answers)


def test_a_body_that_lies_about_its_length(server: ServerProcess) -> None:
    """A caller that hangs up in the middle of its body harms nobody."""
    with socket.create_connection((server.host, server.port)) as rude:
        rude.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        rude.sendall(b"Content-Length: 1000\r\n\r\n{")
    assert call(server, "POST", "/predict", EXAMPLE)[0] == 200


def test_metrics_sum_over_workers(server: ServerProcess) -> None:
    """Whichever worker is asked, it tells what all of them did."""
    pattern = re.compile(
        r'^mps_requests_total\{model="xgboost",version="1",endpoint="predict",status="2xx"\} (\d+)$', re.M
    )

    def counted() -> int:
        found = pattern.search(call(server, "GET", "/metrics")[2].decode())
        return int(found[1]) if found else 0

    before = counted()
    for _ in range(40):
        call(server, "POST", "/models/xgboost/predict", EXAMPLE)
    assert {counted() for _ in range(8)} == {before + 40}


def test_no_training_library_is_in_a_worker(server: ServerProcess) -> None:
    """No compiled part of a training or conversion library is mapped into any process of the server."""
    for process in [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]:
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert not re.search(r"/(sklearn|scipy|xgboost|lightgbm|onnx|pandas)/", mapped)
    worker = next(iter(workers_of(server)))
    assert "/onnxruntime/" in Path(f"/proc/{worker}/maps").read_text(), "the check looks in the right place"


def workers_of(server: ServerProcess) -> set[int]:
    """Process numbers of the workers."""
    found = set()
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.Error):  # one that has just died is none
            if "resource_tracker" not in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def serve_and_fail(tmp_path: Path, **variables: str) -> tuple[int, str]:
    """Start a server that cannot start; its exit code and stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MPS_")}
    done = subprocess.run(
        [sys.executable, "-m", "server", "serve"],
        env={**kept, "MPS_API_HOST": "127.0.0.1", "MPS_STATE_DIR": str(tmp_path / "state"), **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MPS_MODEL_TPYE": "xgboost"}, "did you mean 'MPS_MODEL_TYPE'?"),
        ({"MPS_MODEL_TYPE": "nope"}, "no model 'nope' in the registry"),
        ({"MPS_MODEL_TYPE": "xgboost@9"}, "no version 9 of model 'xgboost'; there are: 1"),
        ({"MPS_MODELS": "../etc"}, "is not a model name"),
        ({"MPS_API_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
        ({"MPS_REGISTRY": "/nonexistent"}, "there are: none"),
    ],
)
def test_a_server_that_cannot_start_says_why(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    """Exit code 1 and one clear line, no trace."""
    code, stderr = serve_and_fail(tmp_path, **variables)
    assert code == 1
    assert stderr.startswith("mps serve: ")
    assert words in stderr
    assert stderr.count("\n") == 1


def test_a_taken_port_is_refused(server: ServerProcess, tmp_path: Path) -> None:
    """Two servers on one port would answer for each other."""
    code, stderr = serve_and_fail(tmp_path, MPS_API_PORT=str(server.port))
    assert code == 1
    assert "Address already in use" in stderr
    assert "MPS_API_PORT" in stderr


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "damage"), [("model.onnx", flip), ("manifest.json", flip), ("golden.json", Path.unlink)]
)
def test_a_damaged_entry_keeps_the_server_from_starting(tmp_path: Path, file: str, damage: Any) -> None:
    """A flipped bit or a missing file in any part of an entry: exit code 1, the entry named."""
    shutil.copytree(SHIPPED_REGISTRY, tmp_path / "entries")
    damage(tmp_path / "entries" / "xgboost" / "1" / file)
    code, stderr = serve_and_fail(
        tmp_path,
        MPS_REGISTRY=str(tmp_path / "entries"),
        MPS_API_PORT=str(free_port()),
        MPS_LOG_LEVEL="ERROR",
    )
    assert code == 1
    assert "xgboost" in stderr.splitlines()[-1]
    assert stderr.splitlines()[-1].startswith("mps serve: ")
    assert "Traceback" not in stderr


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_stops_on_sigterm_with_nothing_left(tmp_path: Path) -> None:
    """Told to stop, it finishes, ends with code 0 and leaves no process behind."""
    with ServerProcess(workers=2) as server:
        processes = psutil.Process(server.pid).children(recursive=True)
        os.kill(server.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=15)
        assert not alive
    assert server.exit_code == 0
    assert not re.search("Traceback|panic", server.stderr)


def test_workers_leave_when_the_supervisor_is_killed() -> None:
    """No worker stays behind that no switch could reach."""
    with ServerProcess(workers=2) as server:
        workers = [psutil.Process(pid) for pid in workers_of(server)]
        os.kill(server.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=15)
        assert not alive


def test_workers_that_cannot_start_end_the_server(tmp_path: Path) -> None:
    """A broken install is said once and is no endless loop."""
    (tmp_path / "litestar.py").write_text("raise ImportError('planted')")
    port = str(free_port())
    code, stderr = serve_and_fail(tmp_path, MPS_API_PORT=port, PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "planted" in stderr
    assert stderr.splitlines()[-1].startswith("mps serve: the workers died while they were starting")
