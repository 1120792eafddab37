"""What a server notices of the life cycle in its registry: who is current, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from registry.errors import PromotionRefused
from registry.gates import Limits
from registry.promotion import promote, verdict_on
from registry.store import Store
from server.model import Model
from server.plan import PlannedModel, draw
from server.settings import SHIPPED_REGISTRY, resolve
from server.switching.watch import look


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The shipped forest with a second version of it, sealed with the verdict of the gates."""
    shutil.copytree(Path(SHIPPED_REGISTRY) / "random_forest", tmp_path / "random_forest")
    store = Store(tmp_path)
    entry = store.read("random_forest", store.current("random_forest"))
    card = replace(entry.manifest.card, description="the same, told otherwise")
    manifest = replace(entry.manifest, card=card, verdict=None)
    manifest = replace(manifest, verdict=verdict_on(store, manifest))
    store.publish(manifest, entry.model, entry.golden)
    return store


def planned(store: Store) -> dict[str, PlannedModel]:
    """What a server would load, by reference."""
    environment = {"MPS_REGISTRY": str(store.root), "MPS_MODEL_TYPE": "random_forest"}
    return {model.reference: model for model in draw(resolve(environment, None, {}), 1).models}


def test_a_manifest_with_a_verdict_is_served(store: Store) -> None:
    """The golden rows run, and the verdict came along."""
    newest = store.versions("random_forest")[-1]
    model = Model(store.read("random_forest", newest))
    assert model.manifest.verdict is not None
    assert model.manifest.verdict.passed


def test_a_promotion_back_and_forth_is_the_same_entry(store: Store) -> None:
    """Equal plans mean that nothing is loaded again: history and verdicts are no part of an entry."""
    old, new = store.versions("random_forest")[-2:]
    before = planned(store)
    promote(store, f"random_forest@{new}")
    assert list(planned(store)) == [f"random_forest@{new}"]
    store.rollback("random_forest")
    assert planned(store) == before
    assert list(before) == [f"random_forest@{old}"]


def test_a_promotion_that_changes_nothing_is_not_seen(store: Store) -> None:
    """Neither of the current version again, nor one that its gates refuse: who watches has nothing to do."""
    environment = {"MPS_REGISTRY": str(store.root), "MPS_MODEL_TYPE": "random_forest"}
    resolved = resolve(environment, None, {})
    before = look(resolved)
    promote(store, f"random_forest@{store.current('random_forest')}")
    with pytest.raises(PromotionRefused, match="size: "):
        promote(store, "random_forest", limits=Limits(max_size_mb=1e-3))
    assert look(resolved) == before
