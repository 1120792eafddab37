"""What the README says is so."""

from __future__ import annotations

import json
import re
import shlex
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from xgboost import XGBClassifier

from bench.__main__ import main as bench
from bench.process import ServerProcess
from registry.store import Store
from server.__main__ import main as mps
from server.settings import SHIPPED_REGISTRY, describe

pytestmark = pytest.mark.usefixtures("untraced")
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


def test_your_own_csv_or_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's own section, block by block: trained, converted, promoted, served; then on every row.

    A CSV with a classification, a Parquet file with a regression.
    """
    section = README.partition("## Your own CSV or Parquet")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)\n```", section, re.DOTALL)
    lines = blocks[0][1].splitlines()
    assert len(lines) == 5
    assert [line.split()[0] for line in lines] == [
        f".venv/bin/{name}" for name in ("pip", "python", *["mps"] * 3)
    ]
    serve = shlex.split(lines[-1])[2:]
    monkeypatch.chdir(tmp_path)
    asked: list[list[str]] = []
    for kind, text in blocks:
        if kind == "python":
            exec(text, {})
            if not asked:
                follow(lines)
        elif "curl" in text:
            asked.append(shlex.split(text.replace("\\\n", "")))
        elif kind == "sh" and text != blocks[0][1]:
            follow(text.splitlines())
    answers = [text for kind, text in blocks if kind == "json"]
    rows = pandas.read_csv("my_rows.csv")
    with ServerProcess(registry=Path(serve[1]), model_type=serve[3]) as server:
        connection = server.connect()
        for command, answer in zip(asked, answers, strict=True):
            path = command[3].removeprefix("localhost:8000")
            assert ask(connection, path, command[-1]).decode() == answer
        grown = batch(connection, "/predict/batch?probabilities=true", rows.drop(columns="crop"))
        warm = batch(connection, "/models/my_weather/predict/batch", rows[["rain_mm"]])
        connection.close()
    names = np.array(["maize", "rye", "wheat"])
    model, weather = joblib.load("my_model.joblib"), joblib.load("my_weather.joblib")
    features = rows.drop(columns="crop")
    assert grown["predictions"] == names[model.predict(features)].tolist()
    assert np.abs(np.array(grown["probabilities"]) - model.predict_proba(features)).max() <= 1.2e-7
    assert warm["predictions"] == weather.predict(rows[["rain_mm"]]).tolist()


def test_a_study_from_its_file_to_its_promotion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's lines on a small table; what is promoted answers its first row."""
    block = README.partition("## Train and compare")[2].partition("```sh\n")[2].partition("\n```")[0]
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    rows = pandas.DataFrame({"rain_mm": chance.uniform(300, 700, 60), "degrees_c": chance.uniform(5, 25, 60)})
    rows.assign(crop=np.where(rows.rain_mm > 500, "rye", "maize")).to_csv("my_harvest.csv", index=False)
    (line,) = [line for line in block.splitlines() if line.startswith("printf")]
    printf, text, arrow, file = shlex.split(line)
    assert (printf, arrow) == ("printf", ">")
    Path(file).write_text(text.replace("\\n", "\n"), "utf-8")
    follow(block.splitlines())
    serve = shlex.split(block.splitlines()[-1])[2:]
    with ServerProcess(registry=Path(serve[1]), model_type=serve[3]) as server:
        connection = server.connect()
        answer = batch(connection, "/predict/batch", rows)
        connection.close()
    trained = XGBClassifier()
    trained.load_model(f"my_study/models/{serve[3]}.json")
    assert answer["predictions"] == np.array(["maize", "rye"])[trained.predict(rows)].tolist()


def follow(lines: list[str]) -> None:
    """The ``mps`` commands among some lines of a shell, but for the server."""
    for line in lines:
        program, *arguments = shlex.split(line)
        if program == ".venv/bin/mps" and arguments[0] != "serve":
            assert mps(arguments) == 0


def batch(connection: HTTPConnection, path: str, rows: pandas.DataFrame) -> dict[str, Any]:
    """The answer to all rows at once."""
    answer = ask(connection, path, json.dumps({"instances": rows.to_numpy(object).tolist()}))
    decoded: dict[str, Any] = json.loads(answer)
    return decoded


def ask(connection: HTTPConnection, path: str, body: str) -> bytes:
    """``POST``; the body of the answer."""
    connection.request("POST", path, body.encode(), JSON)
    return connection.getresponse().read()
