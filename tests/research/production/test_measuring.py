"""Measured once for the same models, machine and versions; anew for others."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from convert.publish import SHIPPED
from registry.store import Store
from research.experiments import EXPERIMENTS
from research.iris import dataset
from research.production import measuring
from research.production.measured import Cost, Measured, key, processor, this_machine
from research.production.measuring import measure, read
from research.study.errors import StudyError


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four models."""
    home = tmp_path_factory.mktemp("trained")
    (home / "models").mkdir()
    for experiment in EXPERIMENTS.values():
        data = dataset()
        experiment.save(experiment.fit(data.X, data.y), home / "models" / experiment.file)
    return home


def test_once_is_enough(trained: Path, bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing it is measured; then nothing is; another machine, or who insists, measures again."""
    file = tmp_path / "results" / "measured.json"
    counted: list[str] = []

    def run(again: bool = False) -> tuple[Measured, bool]:
        return measure(trained, file, bench=bench, again=again, runs=2, processes=1)

    found, fresh = run()
    assert fresh
    content = file.read_bytes()
    assert run() == (found, False)
    assert file.read_bytes() == content
    assert [each.name for each in found.models] == list(EXPERIMENTS)
    for each in found.models:
        assert each.sha256 == Store(SHIPPED).manifest(each.name, 1).sha256
        assert (each.served.p50_ms, each.served.p99_ms, each.label_mismatches) == (0.5, 2.0, 0)
        assert each.parity_rows > 100_000
        for cost in (each.native, each.onnx):
            assert 0 < cost.p50_ms <= cost.p99_ms
            assert 0 <= cost.memory.model_mb <= cost.memory.with_library_mb <= cost.memory.process_mb
            assert cost.file_kb > 0
    forest = found.models[2]
    assert forest.native.memory.with_library_mb > forest.onnx.memory.with_library_mb + 20
    costs = found.models[0].native, found.models[0].onnx

    def counting(name: str, *_: object) -> tuple[Cost, Cost]:
        counted.append(name)
        return costs

    monkeypatch.setattr(measuring, "_costs", counting)
    assert run(again=True)[1]
    other = msgspec.structs.replace(this_machine(), cores=77)
    monkeypatch.setattr(measuring, "this_machine", lambda: other)
    assert run()[1]
    assert not run()[1]
    file.write_text("{}")
    assert run()[1]
    assert len(counted) == 3 * len(EXPERIMENTS)


def test_served_figures_are_always_those_of_bench(
    trained: Path, bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Measured
) -> None:
    """A new table of ``mps bench`` is taken over without measuring anything else again."""
    file, costs = tmp_path / "measured.json", (kept.models[0].native, kept.models[0].onnx)
    monkeypatch.setattr(measuring, "_costs", lambda *_: costs)
    measure(trained, file, bench=bench)
    bench.write_text(bench.read_text().replace('"p99_ms":2.0', '"p99_ms":3.0'))
    found, fresh = measure(trained, file, bench=bench)
    assert not fresh
    assert {each.served.p99_ms for each in found.models} == {3.0}


def test_what_is_missing_is_told(trained: Path, bench: Path, tmp_path: Path) -> None:
    """Models, served figures, one model's figures: each with the command that makes them."""
    file = tmp_path / "measured.json"
    with pytest.raises(StudyError, match=r"heuristic.json does not exist; run: mps research train"):
        measure(tmp_path, file, bench=bench)
    with pytest.raises(StudyError, match=r"gone.json cannot be read: .*; run: mps bench table"):
        measure(trained, file, bench=tmp_path / "gone.json")
    bench.write_text(
        bench.read_text().replace('"xgboost"', '"other"', 1).replace('"model":"xgboost"', '"model":"x"')
    )
    with pytest.raises(StudyError, match=r"no served latency of xgboost was measured; run: mps bench table"):
        measure(trained, file, bench=bench, runs=1, processes=1)
    bench.write_text("{}")
    with pytest.raises(StudyError, match=r"holds no served latencies: .*; run: mps bench table"):
        measure(trained, file, bench=bench)
    with pytest.raises(StudyError, match=r"measured.json cannot be read: .*; run: mps research measure"):
        read(file)


def test_the_key_is_of_models_and_machine() -> None:
    """One byte of a model, another order, another core: another key."""
    machine = this_machine()
    plain = key(machine, [b"a", b"b"])
    assert plain == key(machine, [b"a", b"b"])
    others = {key(machine, [b"a", b"c"]), key(machine, [b"b", b"a"]), key(machine, [b"ab"])}
    others.add(key(msgspec.structs.replace(machine, cores=99), [b"a", b"b"]))
    assert len(others - {plain}) == 4


def test_processors() -> None:
    """Named where the kernel names it."""
    assert processor("flags: x\nmodel name\t: Fast One\nmodel name\t: Fast One\n") == "Fast One"
    assert processor("") != ""
    assert str(this_machine()).startswith(this_machine().processor)
