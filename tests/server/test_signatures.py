"""A switch that would change what clients send or get: refused unless it is meant."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from registry.manifest import Feature
from registry.store import Store
from server.errors import ReloadRefused
from server.settings import SHIPPED_REGISTRY
from tests.server.homemade import classifier, regression, shelve
from tests.server.stage import Stage


def test_another_signature_is_refused_unless_meant(tmp_path: Path) -> None:
    """A champion with other features changes what clients must send; that has to be said."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    store = Store(registry)
    rename(store, "heuristic", "inches", lambda feature: msgspec.structs.replace(feature, unit="inch"))
    rename(store, "heuristic", "narrow", lambda feature: msgspec.structs.replace(feature, dtype="float32"))
    rename(store, "heuristic", "whole", lambda feature: msgspec.structs.replace(feature, dtype="int64"))
    stage = Stage(tmp_path / "state", MPS_REGISTRY=str(registry))
    worker = stage.joined()
    with pytest.raises(
        ReloadRefused, match=r"inches@1 has another signature than heuristic@1.*allow_signature"
    ):
        stage.reload(model_type="inches").get()
    for model, allow in (("narrow", False), ("inches", True), ("inches", False)):
        outcome = stage.reload(allow, model_type=model)
        assert worker.obey().plan.champion.name == outcome.get().model == model
    stage.close()


def test_a_named_model_keeps_its_signature_too(tmp_path: Path) -> None:
    """A promoted version with other features changes ``/models/{name}/predict``, champion or not."""
    registry = tmp_path / "registry"
    shutil.copytree(SHIPPED_REGISTRY, registry)
    stage = Stage(tmp_path / "state", MPS_REGISTRY=str(registry))
    worker = stage.joined()
    store = Store(registry)
    rename(store, "xgboost", "xgboost", lambda feature: msgspec.structs.replace(feature, unit="inch"))
    with pytest.raises(ReloadRefused, match="/models/xgboost: xgboost@2 has another"):
        stage.reload().get()
    outcome = stage.reload(True)
    worker.obey()
    assert outcome.get().generation == 2
    stage.close()


def test_another_kind_of_answer_is_refused_unless_meant(tmp_path: Path) -> None:
    """A regression for a classifier, labels of another type, or no probabilities any more."""
    models = [
        classifier("words"),
        classifier("more", ("no", "yes")),
        regression("amount"),
        classifier("wholes", (0, 1)),
        classifier("truths", (False, True)),
        classifier("unsure", (0, 1), probabilities=False),
    ]
    registry = shelve(tmp_path / "registry", *models)
    stage = Stage(tmp_path / "state", MPS_REGISTRY=registry, MPS_MODEL_TYPE="words")
    worker = stage.joined()
    for model, words in (
        ("amount", "/predict: amount@1 .* words@1: .* note; a regression, no classes"),
        ("wholes", "classes 0, 1"),
        ("unsure", "classes 0, 1, without probabilities"),
        ("truths", "classes false, true"),
    ):
        with pytest.raises(ReloadRefused, match=rf"{words}\. Add \?allow_signature_change=true"):
            stage.reload(model_type=model).get()
    for model, allow in (("more", False), ("wholes", True)):
        outcome = stage.reload(allow, model_type=model)
        assert worker.obey().plan.champion.name == outcome.get().model == model
    with pytest.raises(ReloadRefused, match="truths@1 has another signature than wholes@1"):
        stage.reload(model_type="truths").get()
    stage.close()


def rename(store: Store, model: str, name: str, change: Callable[[Feature], Feature]) -> None:
    """Publish a shipped model under another name with changed features."""
    entry = store.read(model, 1)
    card = entry.manifest.card
    features = tuple(change(feature) for feature in card.signature.features)
    signature = msgspec.structs.replace(card.signature, features=features)
    card = msgspec.structs.replace(card, signature=signature)
    store.publish(msgspec.structs.replace(entry.manifest, name=name, card=card), entry.model, entry.golden)
    store.promote(name)
