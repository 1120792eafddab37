"""``mps models``: what a person sees, and the exit code that a script sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import registry
from registry.__main__ import SHIPPED, main
from registry.errors import BrokenEntry
from registry.manifest import Bound, Card, Feature, Golden, Label, Manifest, Metric, Signature, WorstRow
from registry.store import MODEL, Entry, Store

Mps = Callable[..., tuple[int, str, str]]
MakeOffer = Callable[..., tuple[Manifest, bytes, Golden]]


@pytest.fixture(autouse=True)
def _no_registry_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPS_REGISTRY", raising=False)


@pytest.fixture
def mps(shelf: Store, capsys: pytest.CaptureFixture[str]) -> Mps:
    """Runs ``mps models`` on the shelf: exit code, standard output, standard error."""

    def run(*argv: str, **options: Any) -> tuple[int, str, str]:
        try:
            code = main([*argv, "--registry", str(shelf.root)], **options)
        except SystemExit as usage:
            code = int(usage.code or 0)
        return code, *capsys.readouterr()

    return run


def today(store: Store, name: str) -> str:
    """The day of the last promotion, by the history."""
    return f"{store.steps(name)[-1].time:%Y-%m-%d}"


def test_list_is_one_line_per_model(mps: Mps, shelf: Store) -> None:
    """Current and other versions, since when, the least flattering accuracy, size and budget."""
    assert mps("list") == (
        0,
        "model    current  since       others  quality         size    budget\n"
        f"flowers  2        {today(shelf, 'flowers')}  1 3     accuracy 0.875  0.0 kB  10 ms\n"
        "trees    none                 1\n",
        "",
    )


@pytest.mark.parametrize("content", [None, b"{", b'{"format":1,"steps":[]}'])
def test_list_without_a_history_of_the_current_version(mps: Mps, shelf: Store, content: bytes | None) -> None:
    """Lost, broken or of before there was one: who is current is known all the same."""
    history = shelf.root / "flowers/history.json"
    history.unlink() if content is None else history.write_bytes(content)
    assert "\nflowers  2        -      1 3     accuracy 0.875  0.0 kB  10 ms\n" in mps("list")[1]


def test_list_survives_a_broken_model(mps: Mps, shelf: Store) -> None:
    """One broken entry does not hide the others."""
    (shelf.root / "flowers/current").write_bytes(b"?")
    code, out, _ = mps("list")
    assert code == 0
    assert "flowers  broken          1 2 3\n" in out


def test_list_of_a_model_without_accuracy(mps: Mps, shelf: Store, offer: MakeOffer) -> None:
    """What was not measured is not made up; a megabyte is written as one."""
    manifest, model, golden = offer("bare", bytes(2_000_000))
    card = msgspec.structs.replace(manifest.card, metrics=())
    shelf.publish(msgspec.structs.replace(manifest, card=card), model, golden)
    shelf.promote("bare")
    line = f"bare     1        {today(shelf, 'bare')}  -       -               2.0 MB  10 ms\n"
    assert line in mps("list")[1]


def test_show_tells_everything_of_the_current_version(mps: Mps, offer: MakeOffer) -> None:
    """Features, classes, metrics with their method, parity, measurements, versions and digest."""
    code, out, _ = mps("show", "flowers")
    assert code == 0
    for line in (
        "flowers@2  tells two flowers apart (classification, 0.0 kB)",
        "  width   float32  cm  0 to 9.5     may be missing",
        "  colour  string       red | green  required        of the petal",
        "  yes, no",
        "  training_accuracy         1.0000  on the rows it was fitted on",
        "  cross_validated_accuracy  0.8750  10 folds",
        "  against trainer 1.2 Tree; allowed: within 1e-06",
        "  rows of kind  rows  label mismatches  max ulp  max error  within margin",
        "  thresholds    40    0                 2.5      1.5e-07    0",
        "  64 rows asked alone and at other places of a batch: the same bits",
        "  one row p50 8.1 µs, p99 12.4 µs; 2.50 MB of memory (a desk)",
        "  p99 of a served single-row answer within 10 ms",
        "  flowers, 150 rows",
        "  onnxruntime  1.30",
        "  ai.onnx.ml  3",
        f"  {offer(model=b'second')[0].sha256}",
    ):
        assert f"{line}\n" in out
    assert "NOT EXACT" not in out


def test_a_model_that_is_not_exact_says_so(mps: Mps, shelf: Store, offer: MakeOffer) -> None:
    """Marked in the list; with the reason, right under the name, where it is shown."""
    manifest, model, golden = offer("rough")
    parity = msgspec.structs.replace(manifest.parity, inexact="off by 3 ulp, and nobody minds")
    shelf.publish(msgspec.structs.replace(manifest, parity=parity), model, golden)
    shelf.promote("rough")
    marked = [line for line in mps("list")[1].splitlines() if line.endswith("  NOT EXACT")]
    assert [line.split()[0] for line in marked] == ["rough"]
    assert mps("show", "rough")[1].splitlines()[1] == "NOT EXACT: off by 3 ulp, and nobody minds"


def test_what_differed_is_shown(mps: Mps, shelf: Store, offer: MakeOffer) -> None:
    """The worst row of each kind with both answers, wide ones cut short, and how many bits moved."""
    manifest, model, golden = offer("close")
    wide = WorstRow(inputs=(*range(20),), expected=("yes", 0.5), served=("no", 0.25))
    narrow = WorstRow(inputs=(1.5, None), expected=(0.1,), served=(0.2,))
    first, second = manifest.parity.kinds[0], msgspec.structs.replace(manifest.parity.kinds[0], kind="data")
    kinds = (
        msgspec.structs.replace(first, worst=narrow),
        msgspec.structs.replace(second, worst=wide),
        msgspec.structs.replace(first, kind="random", worst=None),
    )
    parity = msgspec.structs.replace(manifest.parity, kinds=kinds, rows_changed=3)
    shelf.publish(msgspec.structs.replace(manifest, parity=parity), model, golden)
    lines = mps("show", "close@1")[1].splitlines()
    changed = "  64 rows asked alone and at other places of a batch: 3 with other bits, within the bound"
    place = lines.index(changed)
    assert lines[place + 1 : place + 5] == [
        f"  worst row of {first.kind}: 1.5, None",
        "    the trained model 0.1, served 0.2",
        "  worst row of data: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (20)",
        "    the trained model yes, 0.5, served no, 0.25",
    ]
    assert not any("worst row of random" in line for line in lines)


def test_a_regression_is_shown_as_one(mps: Mps, shelf: Store, offer: MakeOffer) -> None:
    """No classes; its quality is the lowest r2 that was measured."""
    manifest, model, _ = offer("amount")
    signature = msgspec.structs.replace(manifest.signature, classes=())
    metrics = tuple(Metric(name=f"{of}_r2", value=r2, method="") for of, r2 in [("own", 0.9), ("held", 0.45)])
    metrics += (Metric(name="mean_absolute_error", value=0.1, method=""),)
    card = msgspec.structs.replace(manifest.card, task="regression", signature=signature, metrics=metrics)
    parity = msgspec.structs.replace(manifest.parity, bound=Bound(ulp=4, absolute=2.3e-16, margin_ulp=16))
    golden = Golden(kinds=("o",), inputs=((1.0, "red"),), values=(152.25,))
    shelf.publish(msgspec.structs.replace(manifest, card=card, parity=parity), model, golden)
    shelf.promote("amount")
    line = f"amount   1        {today(shelf, 'amount')}  -       r2 0.450        0.0 kB  10 ms\n"
    assert line in mps("list")[1]
    out = mps("show", "amount")[1]
    assert out.startswith("amount@1  tells two flowers apart (regression, 0.0 kB)\n")
    assert "\nregression\n  one number\n" in out
    allowed = "within 4 ulp or 2.3e-16, or the trained model's own answer to inputs within 16 ulp"
    assert f"  against trainer 1.2 Tree; allowed: {allowed}\n" in out


@pytest.mark.parametrize(("classes", "shown"), [((0, 1), "0, 1"), ((False, True), "false, true")])
def test_labels_without_probabilities_are_shown_as_such(
    mps: Mps, shelf: Store, offer: MakeOffer, classes: tuple[Label, ...], shown: str
) -> None:
    """Labels as an answer writes them."""
    manifest, model, _ = offer("unsure")
    signature = msgspec.structs.replace(manifest.signature, classes=classes, probabilities=False)
    card = msgspec.structs.replace(manifest.card, signature=signature)
    golden = Golden(kinds=("o",), inputs=((1.0, "red"),), labels=classes[:1])
    shelf.publish(msgspec.structs.replace(manifest, card=card), model, golden)
    assert f"\nclasses\n  {shown}\n  labels only, no probabilities\n" in mps("show", "unsure@1")[1]


@pytest.mark.parametrize(
    ("feature", "shown"),
    [
        (Feature(name="x", dtype="float64"), "any number"),
        (Feature(name="x", dtype="float64", minimum=-1.5), "from -1.5"),
        (Feature(name="x", dtype="int64", maximum=7), "up to 7"),
        (Feature(name="x", dtype="string"), "any text"),
    ],
)
def test_show_words_an_open_range(
    mps: Mps, shelf: Store, offer: MakeOffer, feature: Feature, shown: str
) -> None:
    """A feature without a bound says so."""
    manifest, model, _ = offer("open")
    card: Card = msgspec.structs.replace(
        manifest.card, signature=Signature(features=(feature,), classes=("a",))
    )
    golden = Golden(kinds=("o",), inputs=((1.0,),), labels=("a",), probabilities=((1.0,),))
    shelf.publish(msgspec.structs.replace(manifest, card=card), model, golden)
    assert f"  {shown}  required\n" in mps("show", "open@1")[1]


def test_verify_checks_every_version_of_every_model(mps: Mps) -> None:
    """One line per entry, and a plain statement of what was not checked."""
    assert mps("verify") == (
        0,
        "flowers@1  sound\nflowers@2  sound\nflowers@3  sound\ntrees@1  sound\n"
        "4 checked, 0 broken; golden rows were not run: digests and structure only\n",
        "",
    )


def test_verify_takes_names_and_versions(mps: Mps) -> None:
    """A name means all of its versions; nothing is checked twice."""
    _, out, _ = mps("verify", "flowers@3", "trees", "flowers@3")
    assert out.startswith("flowers@3  sound\ntrees@1  sound\n2 checked, 0 broken")


def test_verify_reports_every_broken_entry(mps: Mps, shelf: Store) -> None:
    """It goes on after the first, and fails at the end."""
    (shelf.root / "flowers/1" / MODEL).write_bytes(b"rot")
    (shelf.root / "flowers/3" / "SHA256SUMS").unlink()
    (shelf.root / "trees/current").write_text("8")
    (shelf.root / "flowers/history.json").write_text("?")
    code, out, err = mps("verify")
    assert code == 1
    assert out.splitlines() == [
        "flowers@1: model.onnx was altered after it was sealed; publish it anew",
        "flowers@2  sound",
        "flowers@3: SHA256SUMS cannot be read: No such file or directory",
        "trees@1  sound",
        "model 'flowers': its file 'history.json' is malformed: JSON is malformed: invalid character "
        "(byte 0); mend it or move it away",
        "model 'trees': 'current' says version 8; there are: 1",
        "4 checked, 4 broken; golden rows were not run: digests and structure only",
    ]
    assert err == "mps models: 4 broken, see above\n"


def test_verify_runs_the_golden_rows_where_it_can(mps: Mps, shelf: Store) -> None:
    """Every sound entry is handed to the proof; one that does not pass it is broken."""
    proved: list[Entry] = []

    def prove(entry: Entry) -> None:
        proved.append(entry)
        if entry.manifest.version == 2:
            raise BrokenEntry("flowers@2: 1 of 2 golden rows fail")

    (shelf.root / "flowers/1" / MODEL).write_bytes(b"rot")
    code, out, _ = mps("verify", prove=prove)
    assert code == 1
    assert "flowers@2: 1 of 2 golden rows fail\nflowers@3  sound\n" in out
    assert "4 checked, 2 broken; golden rows were run\n" in out
    assert [entry.manifest.reference for entry in proved] == ["flowers@2", "flowers@3", "trees@1"]


def test_promote_and_rollback_say_what_is_current(mps: Mps, shelf: Store) -> None:
    """And that a running server does not notice by itself."""
    code, out, _ = mps("promote", "flowers")
    assert (code, shelf.current("flowers")) == (0, 3)
    assert out.splitlines()[0] == "against the champion flowers@2"
    assert out.splitlines()[-1] == (
        "flowers@3 is current; a running server takes it up at its next reload: mps reload"
    )
    assert mps("promote", "flowers@3") == (0, "flowers@3 is current already; nothing changed\n", "")
    code, out, _ = mps("rollback", "flowers")
    assert (code, shelf.current("flowers")) == (0, 2)
    assert out.startswith("flowers@2 is current; ")
    assert out.endswith("\nit was current before\n")
    code, out, _ = mps("rollback", "flowers")
    assert (code, shelf.current("flowers")) == (0, 1)
    assert out.endswith("\nthe next older version: the history knows of none before\n")


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("show", "weeds"), "no model 'weeds' in the registry; there are: flowers"),
        (("show", "flowers@9"), "no version 9 of model 'flowers'; there are: 1, 2, 3"),
        (("show", "trees"), "model 'trees' has no current version; run: mps models promote trees@1"),
        (("verify", "weeds"), "no model 'weeds'"),
        (("verify", "flowers@9"), "no version 9"),
        (("promote", "weeds"), "no model 'weeds'"),
        (("promote", "flowers", "--champion", "weeds"), "no model 'weeds'"),
        (("gates", "flowers", "--champion", "trees"), "model 'trees' has no current version"),
        (("rollback", "trees"), "model 'trees' has no current version"),
        (("history", "weeds"), "no model 'weeds'"),
        (("card", "weeds"), "no model 'weeds'"),
    ],
)
def test_a_failure_is_one_clear_line(mps: Mps, argv: tuple[str, ...], reason: str) -> None:
    """Exit code 1, nothing on standard output."""
    code, out, err = mps(*argv)
    assert (code, out) == (1, "")
    assert err.startswith(f"mps models: {reason}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("frobnicate",),
        ("show",),
        ("show", "../etc"),
        ("promote", "a@0"),
        ("verify", "a@x"),
        ("rollback", "a@1"),
        ("list", "flowers"),
        ("list", "--regis", "x"),
        ("promote", "flowers", "--force", " "),
        ("promote", "flowers", "--force", "why\x07"),
        ("promote", "flowers", "--force", "x" * 501),
        ("gates", "flowers", "--max-size-mb", "0"),
        ("gates", "flowers", "--max-size-mb", "inf"),
        ("gates", "flowers", "--max-size-mb", "much"),
        ("gates", "flowers", "--champion", "../etc"),
        ("history", "flowers@2"),
        ("card",),
        ("card", "flowers", "--all"),
    ],
)
def test_wrong_usage_is_exit_code_two(mps: Mps, argv: tuple[str, ...]) -> None:
    """With a hint how to use it; names that cannot be are usage too."""
    code, out, err = mps(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("usage: mps models")


def test_help_names_every_subcommand(mps: Mps) -> None:
    """``mps models --help`` is enough to find one's way."""
    code, out, _ = mps("--help")
    assert code == 0
    for command in ("list", "show", "verify", "gates", "promote", "rollback", "history", "card"):
        assert f"\n    {command} " in out


def test_the_registry_is_an_option_a_variable_or_the_shipped_one(
    shelf: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option wins, before or after the subcommand; an empty variable counts as unset."""
    monkeypatch.setenv("MPS_REGISTRY", str(tmp_path / "absent"))
    assert main(["list"]) == 1
    assert capsys.readouterr().err == (
        f"mps models: no registry at {tmp_path / 'absent'}; name its folder with --registry or MPS_REGISTRY\n"
    )
    assert main(["--registry", str(shelf.root), "list"]) == 0
    assert main(["list", "--registry", str(shelf.root)]) == 0
    monkeypatch.setenv("MPS_REGISTRY", str(shelf.root))
    assert main(["list"]) == 0
    monkeypatch.setenv("MPS_REGISTRY", "")
    assert main(["list"]) == (0 if SHIPPED.is_dir() else 1)
    assert Path(registry.__file__).parent / "prd" == SHIPPED


def test_the_room_answers_to_its_own_name(shelf: Store) -> None:
    """``python -m registry`` is the same command, and needs nothing but the standard library and msgspec."""
    code = """
import runpy, sys
sys.argv = ["registry", "verify"]
try:
    runpy.run_module("registry", run_name="__main__")
finally:
    print([name for name in ("convert", "litestar", "numpy", "onnxruntime", "server") if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPS_REGISTRY": str(shelf.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.endswith("structure only\n[]\n")
