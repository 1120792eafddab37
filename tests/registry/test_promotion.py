"""Promoting through the gates: from the command to the history, and what never changes meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry.__main__ import main
from registry.errors import PromotionRefused, UnknownModel
from registry.gates import judge
from registry.manifest import Golden, Manifest, Metric
from registry.promotion import promote, verdict_on
from registry.store import MANIFEST, MODEL, SEAL, Store

MakeOffer = Callable[..., tuple[Manifest, bytes, Golden]]
Mps = Callable[..., tuple[int, str, str]]
SEALED = (MODEL, MANIFEST, SEAL)


def worse(offer: MakeOffer, **changes: Any) -> tuple[Manifest, bytes, Golden]:
    """A version of lower quality than those on the shelf."""
    manifest, model, golden = offer(model=b"worse", **changes)
    low = Metric(name="cross_validated_accuracy", value=0.5, method="10 folds", low=0.4, high=0.6)
    card = msgspec.structs.replace(manifest.card, metrics=(low,))
    return msgspec.structs.replace(manifest, card=card), model, golden


@pytest.fixture
def mps(shelf: Store, offer: MakeOffer, capsys: pytest.CaptureFixture[str]) -> Mps:
    """``mps models`` on the shelf, to which a fourth version of lower quality was added."""
    shelf.publish(*worse(offer))

    def run(*argv: str) -> tuple[int, str, str]:
        return main([*argv, "--registry", str(shelf.root)]), *capsys.readouterr()

    return run


def contents(root: Path) -> dict[str, bytes]:
    """Every file of the registry."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_refusal_changes_nothing(mps: Mps, shelf: Store) -> None:
    """The table on standard output, one line on standard error, exit code 1."""
    before = contents(shelf.root)
    code, out, err = mps("promote", "flowers@4")
    assert (code, contents(shelf.root)) == (1, before)
    assert out.splitlines()[0] == "against the champion flowers@2"
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["gate", "verdict"],
        ["quality", "FAILED"],
        ["parity", "passed"],
        ["latency", "passed"],
        ["size", "passed"],
    ]
    assert err == (
        "mps models: flowers@4 is not promoted, what is current stays: quality: cross_validated_accuracy "
        "0.5000 (allowed: at least 0.8750: the cross_validated_accuracy of flowers@2, which has no "
        "interval); --force REASON overrules it\n"
    )


def test_a_reason_overrules_and_is_kept(mps: Mps, shelf: Store) -> None:
    """In the history with the verdict of that moment, in the list, and where the model is shown."""
    code, out, err = mps("promote", "flowers@4", "--force", "the old one\n  leaks labels")
    assert (code, err, shelf.current("flowers")) == (0, "", 4)
    assert "\npromoted all the same: the old one leaks labels\nflowers@4 is current; " in out
    last = shelf.steps("flowers")[-1]
    assert last.forced == "the old one leaks labels"
    assert last.verdict is not None
    assert (last.verdict.summary, last.verdict.champion) == ("failed quality", "flowers@2")
    assert mps("list")[1].splitlines()[1].endswith("  FORCED")
    line = next(line for line in mps("show", "flowers")[1].splitlines() if " 4 " in line)
    assert line.endswith("failed quality  FORCED: the old one leaks labels")
    mps("rollback", "flowers")
    lines = mps("history", "flowers")[1].splitlines()
    assert [line.split()[2:5] for line in lines] == [
        ["step", "version", "before"],
        ["promote", "2", "-"],
        ["promote", "4", "2"],
        ["rollback", "2", "4"],
    ]
    assert lines[1].endswith("not asked")
    assert "FORCED" not in mps("list")[1]


def test_a_reason_that_is_not_needed_is_not_kept(mps: Mps, shelf: Store) -> None:
    """What passes was not forced."""
    assert mps("promote", "flowers@3", "--force", "just in case")[0] == 0
    last = shelf.steps("flowers")[-1]
    assert (last.forced, last.verdict and last.verdict.passed) == ("", True)


def test_a_step_that_took_no_effect_is_shown_as_that(mps: Mps, shelf: Store) -> None:
    """As after a kill between the two writes."""
    mps("promote", "flowers@3")
    (shelf.root / "flowers/current").write_text("2\n")
    line = mps("history", "flowers")[1].splitlines()[-1]
    assert line.endswith("passed     did not take effect: the command was stopped")
    assert mps("history", "trees") == (0, "nothing was recorded\n", "")


def test_gates_show_the_verdict_and_promote_nothing(mps: Mps, shelf: Store) -> None:
    """For people and for programs; the exit code is that of the promotion."""
    before = contents(shelf.root)
    code, out, err = mps("gates", "flowers@4")
    assert (code, err) == (1, "mps models: flowers@4 failed quality\n")
    assert out.startswith("flowers@4\nagainst the champion flowers@2\ngate ")
    assert mps("gates", "flowers@3")[::2] == (0, "")
    code, out, _ = mps("gates", "flowers", "--json", "--max-size-mb", "0.000001")
    told = json.loads(out)
    assert (code, told["candidate"], told["champion"], told["passed"]) == (
        1,
        "flowers@4",
        "flowers@2",
        False,
    )
    assert {gate["name"]: gate["passed"] for gate in told["gates"]} == {
        "quality": False,
        "parity": True,
        "latency": True,
        "size": False,
    }
    assert contents(shelf.root) == before


def test_another_model_can_be_the_champion(mps: Mps, shelf: Store) -> None:
    """The one that serves, for example."""
    shelf.promote("trees")
    code, out, _ = mps("gates", "flowers@3", "--champion", "trees")
    assert (code, out.splitlines()[1]) == (0, "against the champion trees@1")
    assert mps("gates", "flowers@3", "--champion", "flowers@4")[0] == 0
    code, _, err = mps("promote", "trees@1", "--champion", "flowers@2")
    assert (code, err) == (0, "")  # it is current already


def test_a_broken_champion_cannot_be_judged_by(mps: Mps, shelf: Store) -> None:
    """The gate fails, so that a reason is needed; then the promotion mends it."""
    (shelf.root / "flowers/2" / MANIFEST).write_bytes(b"rot")
    with pytest.raises(PromotionRefused, match=r"quality: flowers@2: manifest\.json was altered"):
        promote(shelf, "flowers@3")
    done = promote(shelf, "flowers@3", force="2 is broken")
    assert (done.version, done.forced, shelf.current("flowers")) == (3, "2 is broken", 3)
    with pytest.raises(UnknownModel):
        promote(shelf, "flowers@1", champion="weeds")


def test_the_gates_are_asked_while_nobody_else_can_promote(
    shelf: Store, offer: MakeOffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is current when they are asked is current when the pointer moves."""
    seen: list[int | None] = []
    real = Store.promote

    def spy(store: Store, reference: str, consent: Any = None) -> tuple[str, int]:
        def listen(before: int | None) -> Any:
            seen.append(before)
            verdict, forced = consent(before)
            assert verdict.champion == f"flowers@{before}"
            return verdict, forced

        return real(store, reference, listen)

    monkeypatch.setattr(Store, "promote", spy)
    promote(shelf, "flowers@3")
    promote(shelf, "flowers@1")
    assert seen == [2, 3]


def test_an_entry_never_changes(shelf: Store, offer: MakeOffer) -> None:
    """Promoted, forced, rolled back: every byte and every seal stay, so no server loads a version again."""
    shelf.publish(*worse(offer))
    seals = {version: shelf.seal("flowers", version) for version in shelf.versions("flowers")}
    before = {name: text for name, text in contents(shelf.root).items() if name.endswith(SEALED)}
    promote(shelf, "flowers@4", force="to see")
    shelf.rollback("flowers")
    promote(shelf, "flowers@3")
    assert {name: text for name, text in contents(shelf.root).items() if name.endswith(SEALED)} == before
    assert {version: shelf.seal("flowers", version) for version in seals} == seals


def test_the_verdict_at_publication_is_sealed(shelf: Store, offer: MakeOffer) -> None:
    """It reads back as it was; older manifests have none; another verdict makes no new version."""
    manifest, model, golden = worse(offer)
    assert shelf.manifest("flowers", 1).verdict is None
    judged = msgspec.structs.replace(manifest, verdict=verdict_on(shelf, manifest))
    version, new = shelf.publish(judged, model, golden)
    sealed = shelf.manifest("flowers", version).verdict
    assert sealed is not None
    assert (sealed.champion, sealed.summary, new) == ("flowers@2", "failed quality", True)
    otherwise = msgspec.structs.replace(manifest, verdict=judge(manifest, None))
    assert shelf.publish(otherwise, model, golden) == (version, False)
    assert shelf.publish(manifest, model, golden) == (version, False)


def test_a_manifest_without_the_field_still_loads(shelf: Store) -> None:
    """Byte for byte as it was written before the field existed."""
    raw = json.loads((shelf.root / "flowers/1" / MANIFEST).read_bytes())
    del raw["verdict"]
    assert msgspec.json.decode(json.dumps(raw), type=Manifest) == shelf.manifest("flowers", 1)


def test_show_tells_the_verdict_that_is_sealed(
    shelf: Store, offer: MakeOffer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the day of publication; and intervals beside the metrics."""
    manifest, model, golden = worse(offer)
    shelf.publish(msgspec.structs.replace(manifest, verdict=judge(manifest, None)), model, golden)
    assert main(["show", "flowers@4", "--registry", str(shelf.root)]) == 0
    out = capsys.readouterr().out
    assert "\ngates, when it was published\n  there was no champion\n  gate     verdict" in out
    assert "  cross_validated_accuracy  0.5000 (0.4000 to 0.6000)  10 folds\n" in out
    assert main(["show", "flowers@1", "--registry", str(shelf.root)]) == 0
    assert "\ngates, when it was published\n  not asked\n" in capsys.readouterr().out
