"""Throughput by model, connections and workers, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.errors import LoadFailed
from bench.process import ServerProcess
from bench.scaling import example

pytestmark = pytest.mark.usefixtures("untraced")
QUICK = ["--rounds", "2", "--seconds", "0.15", "--warm-up", "0.05"]


def test_every_combination_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Models, workers and connections; the report says which cores each had."""
    words = ["http", "--models", "heuristic,xgboost", "--workers", "1,2", "--connections", "1,3"]
    assert main([*words, *QUICK, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "http.json").read_bytes())
    assert report["faults"] == []
    points = [(point["model"], point["workers"], point["connections"]) for point in report["points"]]
    assert points == [
        (model, workers, connections)
        for workers in (1, 2)
        for model in ("heuristic", "xgboost")
        for connections in (1, 3)
    ]
    assert all(point["throughput_rps"]["low"] > 0 for point in report["points"])
    assert set(report["cores"]) == {"1", "2"}
    text = (tmp_path / "http.md").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert f"`{report['command']}`" in text
    assert "xgboost, workers: 2" in (tmp_path / "http.svg").read_text("utf-8")


def test_what_is_asked_is_known_to_be_right(server: ServerProcess) -> None:
    """The signature's example with its answer; no answer is told."""
    exchange = example(server, "xgboost")
    assert exchange.path == "/models/xgboost/predict"
    assert json.loads(exchange.expected) == {"prediction": "setosa"}
    assert set(json.loads(exchange.body)) == {"sepal_length", "sepal_width", "petal_length", "petal_width"}
    with pytest.raises(LoadFailed, match="nope: status 404"):
        example(server, "nope")
    with pytest.raises(LoadFailed, match=r"xgboost: no answer: .*refused"):
        example(ServerProcess(), "xgboost")
