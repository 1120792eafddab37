"""What the README says is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import joblib
import numpy as np
import pandas

from bench.__main__ import main as bench
from bench.process import ServerProcess
from registry.store import Store
from server.settings import SHIPPED_REGISTRY, describe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
JSON = {"Content-Type": "application/json"}


def test_every_setting_is_in_the_table() -> None:
    """Variable, default and meaning, word for word what ``mps serve --help`` says."""
    plain = README.replace("`", "")
    for variable, default, meaning in describe():
        assert f"| {variable} | {default} | {meaning} |" in plain, variable


def test_ci_runs_the_readmes_test_line() -> None:
    """Word for word, on a clean checkout."""
    line = next(line for line in README.splitlines() if line.endswith("pytest --cov"))
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [command for command in line.split(" && ") if command not in script] == []
    assert line in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_model_table_is_what_was_measured() -> None:
    """The table is the one that ``mps bench table`` wrote, of the models that ship now."""
    assert bench(["table", "--check", str(ROOT / "README.md")]) == 0
    store = Store(Path(SHIPPED_REGISTRY))
    for name in store.names():
        manifest = store.manifest(name, store.current(name))
        row = next(line for line in README.splitlines() if line.startswith(f"| {name} "))
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        expected = [f"{metric.value:.3f}" for metric in manifest.card.metrics]
        assert cells[1 : 1 + len(expected)] == expected
        measured = manifest.measured.memory_bytes / 1024, manifest.size_bytes / 1024
        assert cells[-2:] == [f"{measured[0]:.0f}", f"{measured[1]:.1f}"]


def test_the_performance_is_what_was_measured() -> None:
    """The section is the one that ``mps bench page`` wrote from the files beside it."""
    results = str(ROOT / "bench" / "results")
    assert bench(["page", "--out", results, "--check", str(ROOT / "README.md")]) == 0


def test_the_first_request_gets_the_answer_that_is_shown() -> None:
    """The README's curl and the README's answer; its refusal, too."""
    found = re.search(r"-d '(\{.*?\})'\n```\n\n```json\n(.*?)\n```", README, re.DOTALL)
    assert found
    refused = re.search(r"```json\n(\{\"type\".*?\})\n```", README, re.DOTALL)
    assert refused
    with ServerProcess() as server:
        connection = server.connect()
        assert ask(connection, "/predict", found[1]).decode() == found[2]
        wrong = json.dumps({**json.loads(found[1]), "petal_width": "wide"})
        assert json.loads(ask(connection, "/predict", wrong)) == json.loads(refused[1])
        connection.close()


def test_the_split_that_is_shown_is_one(tmp_path: Path) -> None:
    """The README's file is taken as it stands, and ``GET /traffic`` has what is shown of it."""
    found = re.search(r"```toml\n(# mps.toml\n.*?)```", README, re.DOTALL)
    assert found
    (tmp_path / "mps.toml").write_text(found[1], "utf-8")
    shown = re.search(r"`GET\n/traffic` shows.*?```json\n(.*?)\n```", README, re.DOTALL)
    assert shown
    with ServerProcess(config=tmp_path / "mps.toml") as server:
        connection = server.connect()
        connection.request("GET", "/traffic")
        traffic = json.loads(connection.getresponse().read())
        connection.close()
    told = re.sub(r",?…", "", re.sub(r":…", ":0", shown[1].replace("{…}", "{}")))
    for name, value in json.loads(told).items():
        if isinstance(value, list) and value:
            assert value[0].keys() <= traffic[name][0].keys(), name
            assert value[0]["model"] == traffic[name][0]["model"]
        else:
            assert name in traffic
    assert [each["percent"] for each in traffic["variants"]] == [10, 90]


def test_every_call_of_the_table_is_answered() -> None:
    """No path in the README is a dead end."""
    calls = re.findall(r"`(GET|POST) (/[^`? ]*)", README) + re.findall(r"`, `()(/[a-z{][^`? ]*)`", README)
    assert len(calls) >= 12
    with ServerProcess(admin_token=None) as server:
        for method, path in calls:
            connection = server.connect()
            connection.request(method or "GET", path.replace("{name}", "xgboost"))
            assert connection.getresponse().status != 404, path
            connection.close()


def test_your_own_model(tmp_path: Path) -> None:
    """The README's own example, block by block: trained, converted, proved, served; then on every row."""
    script = re.search(r"```python\n(import joblib.*?)```", README, re.DOTALL)
    command = re.search(r"\.venv/bin/mps (convert my_model\.joblib .*)", README)
    asked = re.search(r"-d '(\{\"soil\".*?\})'\n```\n\n```json\n(.*?)\n```", README, re.DOTALL)
    assert script
    assert command
    assert asked
    (tmp_path / "train.py").write_text(script[1])
    run(tmp_path, "train.py")
    run(tmp_path, "-m", "server", *command[1].split())
    model = joblib.load(tmp_path / "my_model.joblib")
    rows = pandas.read_csv(tmp_path / "my_rows.csv").drop(columns="crop")
    with ServerProcess(registry=tmp_path / "my_registry", model_type="my_model") as server:
        connection = server.connect()
        assert ask(connection, "/predict", asked[1]).decode() == asked[2]
        body = json.dumps({"instances": rows.to_numpy(object).tolist()})
        answer = json.loads(ask(connection, "/predict/batch?probabilities=true", body))
        connection.close()
    names = np.array(["maize", "rye", "wheat"])
    assert answer["predictions"] == names[model.predict(rows)].tolist()
    assert np.abs(np.array(answer["probabilities"]) - model.predict_proba(rows)).max() <= 1.2e-7


def run(folder: Path, *arguments: str) -> None:
    """Python in a folder; whatever it says when it fails is shown."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def ask(connection: HTTPConnection, path: str, body: str) -> bytes:
    """``POST``; the body of the answer."""
    connection.request("POST", path, body.encode(), JSON)
    return connection.getresponse().read()
