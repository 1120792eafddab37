"""The models that ship are what the documented commands make."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import research
from convert.__main__ import main as convert
from convert.publish import SHIPPED
from registry.manifest import Manifest, Measured
from registry.store import Store
from research.__main__ import main as train

NAMES = ["decision_tree", "heuristic", "random_forest", "xgboost"]


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documented commands, from the data to the registry, in a fresh folder."""
    study, root = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("registry")
    assert train(["train", "--out", str(study)]) == 0
    cards, data = str(study / "results"), str(study / "iris.csv")
    models = str(study / "models")
    assert convert([models, "--card", cards, "--data", data, "--registry", str(root), "--promote"]) == 0
    return root


def unmeasured(manifest: Manifest) -> Manifest:
    """All but what another machine, or another minute, measures otherwise, and what the gates say of that."""
    nothing = Measured(latency_p50_us=0, latency_p99_us=0, memory_bytes=0, machine="")
    return msgspec.structs.replace(manifest, measured=nothing, verdict=None)


def test_the_four_models_ship() -> None:
    """The shipped registry holds the four models, each with a current version."""
    assert Store(SHIPPED).names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_shipped_models_can_be_made_again(name: str, remade: Path) -> None:
    """Training and converting again gives the same bytes of model and golden rows, and the same manifest."""
    shipped, fresh = Store(SHIPPED), Store(remade)
    version = shipped.current(name)
    old, new = shipped.read(name, version), fresh.read(name, 1)
    assert old.manifest.versions == new.manifest.versions, "install with -c constraints.txt"
    for file in ("model.onnx", "golden.json"):
        assert (SHIPPED / name / str(version) / file).read_bytes() == (
            remade / name / "1" / file
        ).read_bytes()
    assert unmeasured(msgspec.structs.replace(old.manifest, version=1)) == unmeasured(new.manifest)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_models_are_proven(name: str) -> None:
    """Each shipped model gave the right label on every row of every kind, in every region of its input."""
    manifest = Store(SHIPPED).read(name, Store(SHIPPED).current(name)).manifest
    kinds = {kind.kind: kind for kind in manifest.parity.kinds}
    assert {"data", "thresholds", "regions", "random", "extremes"} <= set(kinds)
    assert sum(kind.label_mismatches for kind in kinds.values()) == 0
    exact = name != "xgboost"
    assert max(kind.max_abs_error for kind in kinds.values()) <= (0.0 if exact else 1.2e-7)
    assert (manifest.parity.rows_changed, manifest.parity.inexact) == (0, "")


def test_publishing_again_is_no_new_version(remade: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run of the same conversion says that nothing changed."""
    home = Path(research.__file__).parent
    models, cards, data = (
        home / "models" / "heuristic.json",
        home / "results" / "heuristic.json",
        home / "iris.csv",
    )
    root = ["--registry", str(remade)]
    assert (
        convert([str(models), "--name", "heuristic", "--card", str(cards), "--data", str(data), *root]) == 0
    )
    assert "heuristic@1 unchanged" in capsys.readouterr().out
    assert Store(remade).versions("heuristic") == [1]
