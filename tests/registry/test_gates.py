"""The gates: each lets pass what it should, stops what is planted, and says both in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from registry.gates import Limits, judge, main_metric
from registry.manifest import Golden, Manifest, Metric
from registry.verdict import Gate

MakeOffer = Callable[..., tuple[Manifest, bytes, Golden]]
MakeManifest = Callable[..., Manifest]
HELD_OUT = "cross_validated_accuracy"


def metric(value: float, low: float | None = None, name: str = HELD_OUT) -> Metric:
    """One whose interval ends at 1."""
    return Metric(name=name, value=value, method="10 folds", low=low, high=None if low is None else 1.0)


@pytest.fixture
def manifest(offer: MakeOffer) -> MakeManifest:
    """A manifest of ``flowers``: metrics and training data can be given, and fields of the manifest."""

    def make(version: int, *metrics: Metric, data: str = "ab" * 32, **changes: Any) -> Manifest:
        plain = replace(offer()[0], version=version, **changes)
        training = replace(plain.card.training_data, sha256=data)
        return replace(plain, card=replace(plain.card, metrics=metrics, training_data=training))

    return make


def gate(candidate: Manifest, champion: Manifest | None, name: str, **rest: Any) -> Gate:
    """What one of the gates says."""
    return next(each for each in judge(candidate, champion, **rest).gates if each.name == name)


def test_a_sound_version_passes_every_gate(manifest: MakeManifest) -> None:
    """The verdict names the champion, and what each gate found and allowed."""
    verdict = judge(manifest(2, metric(0.9)), manifest(1, metric(0.92, 0.88)))
    assert (verdict.passed, verdict.champion, verdict.summary) == (True, "flowers@1", "passed")
    assert verdict.complaint == ""
    assert [(each.name, each.found, each.allowed) for each in verdict.gates] == [
        (
            "quality",
            "cross_validated_accuracy 0.9000",
            "at least 0.8800: low end of the 95 % interval of flowers@1",
        ),
        ("parity", "40 rows, 0 label mismatches, within the bound", "no label mismatch, within 1e-06"),
        ("latency", "p99 12.4 µs for one row in process", "at most 5000 µs, 50% of the budget of 10 ms"),
        ("size", "0.007 kB", "at most 256 MB"),
    ]


@pytest.mark.parametrize(
    ("candidate", "champion", "passed", "words"),
    [
        (0.88, (0.92, 0.88), True, "0.8800"),
        (0.8799, (0.92, 0.88), False, "0.8799"),
        (0.92, (0.92, None), True, "0.9200"),
        (0.9199, (0.92, None), False, "0.9199"),
    ],
)
def test_the_low_end_of_the_interval_is_enough(
    manifest: MakeManifest, candidate: float, champion: tuple[float, float | None], passed: bool, words: str
) -> None:
    """On the bound passes, below it does not; without an interval the bound is the champion's value."""
    found = gate(manifest(2, metric(candidate)), manifest(1, metric(*champion)), "quality")
    assert (found.passed, words in found.found) == (passed, True)
    assert ("has no interval" in found.allowed) == (champion[1] is None)


def test_the_first_version_passes_and_says_so(manifest: MakeManifest) -> None:
    """There is nothing to be held against, measured or not."""
    for metrics, found in (((metric(0.1),), "accuracy 0.1000"), ((), "no quality was measured")):
        quality = gate(manifest(1, *metrics), None, "quality")
        assert (quality.passed, quality.allowed) == (True, "any: there is no champion yet")
        assert quality.found.endswith(found)


def test_what_cannot_be_compared_does_not_pass(manifest: MakeManifest) -> None:
    """Another metric, no metric: each is told."""
    champion = manifest(1, metric(0.9, 0.8))
    better = metric(0.99)
    cases = [
        (manifest(2, metric(0.99, name="accuracy")), champion, f"the candidate has no {HELD_OUT}"),
        (manifest(2, better), manifest(1), "the champion flowers@1 has no measured quality"),
    ]
    for candidate, held_against, reason in cases:
        quality = gate(candidate, held_against, "quality")
        assert not quality.passed
        assert quality.found.startswith("not comparable: ")
        assert reason in quality.found
    unread = gate(manifest(2, better), None, "quality", unknown="flowers@1: rot")
    assert (unread.passed, unread.found) == (False, "flowers@1: rot")


@pytest.mark.parametrize("data", ["cd" * 32, ""])
def test_a_model_is_trained_again_because_there_are_other_rows(manifest: MakeManifest, data: str) -> None:
    """It is compared, and the verdict says on what."""
    champion = manifest(1, metric(0.9, 0.8), data="" if not data else "ab" * 32)
    for value, passed in ((0.8, True), (0.79, False)):
        quality = gate(manifest(2, metric(value), data=data), champion, "quality")
        assert quality.passed == passed
        assert quality.found == f"{HELD_OUT} {value:.4f}, on other training data than the champion's"


def test_a_regression_is_held_by_its_r2(manifest: MakeManifest) -> None:
    """Other figures of it, such as an error, do not count."""
    error = Metric(name="mean_absolute_error", value=0.1, method="")

    def regression(version: int, r2: float, low: float | None = None) -> Manifest:
        plain = manifest(version, metric(r2, low, "r2"), error)
        signature = replace(plain.signature, classes=())
        return replace(plain, card=replace(plain.card, signature=signature, task="regression"))

    assert gate(regression(2, 0.4), regression(1, 0.45, 0.35), "quality").passed
    assert not gate(regression(2, 0.3), regression(1, 0.45, 0.35), "quality").passed


def test_the_main_metric_is_the_soberest(manifest: MakeManifest) -> None:
    """With an interval rather than without, held out rather than of the training rows, the lowest."""
    train, held = metric(0.5, name="training_accuracy"), metric(0.9)
    assert main_metric(manifest(1, train, held)) == held
    assert main_metric(manifest(1, metric(0.99, 0.9, "training_accuracy"), held)) != held
    assert main_metric(manifest(1, metric(0.9, 0.8), metric(0.8, 0.7, "oob_accuracy"))) == metric(
        0.8, 0.7, "oob_accuracy"
    )
    assert main_metric(manifest(1, Metric(name="log_loss", value=0.1, method=""))) is None


@pytest.mark.parametrize(
    ("rows", "inexact", "found"),
    [
        ({"label_mismatches": 1}, "", "40 rows, 1 label mismatches, within the bound"),
        ({"max_ulp": 1.0, "max_abs_error": 1e-5}, "", "beyond the bound"),
        ({}, "its publisher insisted", "published though not exact: its publisher insisted"),
        (None, "", "0 rows, 0 label mismatches"),
    ],
)
def test_parity_is_exact_or_stops(
    manifest: MakeManifest, rows: dict[str, Any] | None, inexact: str, found: str
) -> None:
    """Another label, a number beyond the bound, a proof of nothing, and what its publisher insisted on."""
    proof = manifest(1).parity
    kinds = () if rows is None else (replace(proof.kinds[0], **rows),)
    parity = gate(manifest(1, parity=replace(proof, kinds=kinds, inexact=inexact)), None, "parity")
    assert not parity.passed
    assert found in parity.found


def test_either_bound_is_enough(manifest: MakeManifest) -> None:
    """As the proof has it: so many ulp, or so much."""
    proof = manifest(1).parity
    rows = replace(proof.kinds[0], max_ulp=2.0, max_abs_error=1.0)
    bound = replace(proof.bound, ulp=2)
    assert gate(manifest(1, parity=replace(proof, kinds=(rows,), bound=bound)), None, "parity").passed


@pytest.mark.parametrize(("p99_us", "passed"), [(5000.0, True), (5000.1, False), (0.0, False)])
def test_latency_leaves_half_of_the_budget(manifest: MakeManifest, p99_us: float, passed: bool) -> None:
    """What was not measured does not pass, either."""
    measured = replace(manifest(1).measured, latency_p99_us=p99_us)
    assert gate(manifest(1, measured=measured), None, "latency").passed is passed


def test_size_is_limited(manifest: MakeManifest) -> None:
    """By default, and as is said."""
    assert gate(manifest(1, size_bytes=256_000_000), None, "size").passed
    large = gate(manifest(1, size_bytes=256_100_000), None, "size")
    assert (large.passed, large.found, large.allowed) == (False, "256.1 MB", "at most 256 MB")
    assert gate(manifest(1, size_bytes=300_000_000), None, "size", limits=Limits(max_size_mb=300)).passed


def test_the_complaint_is_one_line_of_all_that_failed(manifest: MakeManifest) -> None:
    """And of nothing else."""
    verdict = judge(manifest(1, size_bytes=300_000_000), None, Limits(max_size_mb=10))
    assert verdict.complaint == "size: 300 MB (allowed: at most 10 MB)"
    assert verdict.summary == "failed size"
