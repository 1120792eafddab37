"""The four kinds of load, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import traffic
from bench.errors import LoadFailed
from bench.process import ServerProcess
from bench.samples import Samples
from bench.traffic import Traffic, drive
from tests.server.homemade import classifier, regression, shelve


def load(
    server: ServerProcess, user: str, model: str = "", pair: tuple[str, ...] = (), seconds: int = 2
) -> Samples:
    return drive(server, Traffic(user, rate_rps=40, seconds=seconds, model=model, switch_between=pair))


@pytest.mark.parametrize(
    ("user", "model", "kinds"),
    [
        ("JsonPredict", "xgboost", {"predict"}),
        ("Batch", "", {"batch"}),
        ("Mixed", "random_forest", {"predict", "batch"}),
    ],
)
def test_every_answer_is_right(server: ServerProcess, user: str, model: str, kinds: set[str]) -> None:
    """No request fails, and each kind has exact latencies at about the rate that was asked for."""
    samples = load(server, user, model)
    assert (samples.failures, samples.faults) == (0, [])
    assert set(samples.latencies_ms) == kinds
    latencies = [latency for of_kind in samples.latencies_ms.values() for latency in of_kind]
    assert 5 <= len(latencies) <= 100  # a busy machine sends fewer, never more
    assert any(latency != round(latency, 1) for latency in latencies)


def test_switching_while_predicting(server: ServerProcess) -> None:
    """The model is switched several times and no answer is wrong, missing, or of a generation too old."""
    samples = load(server, "Switching", pair=("heuristic", "decision_tree"), seconds=4)
    assert (samples.failures, samples.faults) == (0, [])
    assert len(samples.latencies_ms["reload"]) >= 2
    assert len(samples.latencies_ms["predict"]) >= 5


def test_an_unknown_model_is_a_failure(server: ServerProcess) -> None:
    """A load that cannot begin counts as failed, and says with which status."""
    samples = load(server, "JsonPredict", "nope")
    assert samples.failures >= 1
    assert "status 404" in samples.faults[0]


def test_a_load_generator_that_gives_no_figures_is_an_error(server: ServerProcess) -> None:
    """What it said last is in the message."""
    with pytest.raises(LoadFailed, match=r"ended with 1 and no samples: .*Nobody"):
        load(server, "Nobody", seconds=1)


def test_a_load_generator_that_hangs_is_ended(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time and no more."""
    monkeypatch.setattr(traffic, "SLACK_S", -traffic.STOP_S - traffic.WARM_UP_S - 0.9)
    with pytest.raises(LoadFailed, match=r"did not end within 0\.1 s"):
        load(server, "JsonPredict", seconds=1)


def test_models_of_every_sort_can_be_loaded(tmp_path: Path) -> None:
    """A regression and a classifier without probabilities, with columns of text: every answer is right."""
    registry = shelve(tmp_path, regression("amount"), classifier("unsure", (0, 1), probabilities=False))
    with ServerProcess(registry=registry, model_type="amount") as odd:
        for model in ("", "unsure"):
            samples = load(odd, "Mixed", model)
            assert (samples.failures, samples.faults) == (0, [])
            assert set(samples.latencies_ms) == {"predict", "batch"}
